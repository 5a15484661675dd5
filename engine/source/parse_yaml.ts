import { type Document, isAlias, isMap, isScalar, isSeq, type Node, parseDocument, type YAMLMap } from "yaml";
import type { Diagnostic, Result, SourceText, Span } from "../diagnostic/diagnostic.ts";
import { refuse, succeed } from "../diagnostic/diagnostic.ts";
import type { DocumentPath, SourceDocument } from "./document.ts";

function spanOf(source: SourceText, node: { range?: [number, number, number] | null | undefined } | null): Span {
  const [start, end] = node?.range ?? [0, 0];
  return { source, start, end };
}

function findConflictMarkers(source: SourceText): Diagnostic[] {
  const match = /^(<{7}|={7}|>{7})( |$)/m.exec(source.text);
  if (match === null) return [];
  return [{
    severity: "error",
    code: "merge-conflict",
    message: "the file has merge-conflict markers",
    span: { source, start: match.index, end: match.index + match[1]!.length },
    fix: "resolve the conflict and remove the <<<<<<<, ======= and >>>>>>> lines",
  }];
}

/** What to do about the parser's commonest complaints. */
function syntaxFix(code: string): string {
  if (code === "TAB_AS_INDENT") return "indent with spaces; YAML does not allow tabs";
  if (code === "BAD_INDENT") return "align the line with its siblings";
  if (code === "MULTIPLE_DOCS") return "keep one document per file";
  return "correct the YAML; values with special characters need quotes";
}

/**
 * Duplicate keys and aliases of what they stand in. The parser itself checks keys pairwise, which takes seconds at 10,000
 * stages; one set per map does not.
 */
function findStructureProblems(source: SourceText, document: Document): Diagnostic[] {
  const found: Diagnostic[] = [];
  const open = new Set<unknown>();
  const visit = (node: unknown): void => {
    if (isAlias(node) && open.has(node.resolve(document))) {
      found.push({
        severity: "error",
        code: "yaml-syntax",
        message: "an alias stands inside what it repeats",
        span: spanOf(source, node),
        fix: "write the value out",
      });
      return;
    }
    open.add(node);
    visitInside(node);
    open.delete(node);
  };
  const visitInside = (node: unknown): void => {
    if (isMap(node)) {
      const seen = new Map<string, Node>();
      for (const pair of node.items) {
        const key = pair.key as Node;
        const name = isScalar(key) ? String(key.value) : undefined;
        if (name === undefined) {
          found.push({
            severity: "error",
            code: "yaml-syntax",
            message: "a key must be plain text",
            span: spanOf(source, key),
            fix: "write the key as a word or a quoted string",
          });
        } else if (seen.has(name)) {
          found.push({
            severity: "error",
            code: "duplicate-key",
            message: `duplicate key "${name}"`,
            span: spanOf(source, key),
            related: [{ message: "first written at", span: spanOf(source, seen.get(name)!) }],
            fix: "rename or remove one of the two",
          });
        } else {
          seen.set(name, key);
        }
        visit(pair.value);
      }
    } else if (isSeq(node)) {
      for (const item of node.items) visit(item);
    }
  };
  visit(document.contents);
  return found;
}

const pairsOf = new WeakMap<YAMLMap, Map<string, YAMLMap["items"][number]>>();

/** Maps of thousands of stages are asked for each of them, so each map is indexed once. */
function findPair(map: YAMLMap, key: string) {
  let pairs = pairsOf.get(map);
  if (pairs === undefined) {
    pairs = new Map(map.items.map((pair) => [isScalar(pair.key) ? String(pair.key.value) : "", pair]));
    pairsOf.set(map, pairs);
  }
  return pairs.get(key);
}

/** Parse YAML into a plain value whose parts can be located. All syntax errors come at once. */
export function parseYaml(source: SourceText): Result<SourceDocument> {
  const conflicts = findConflictMarkers(source);
  if (conflicts.length > 0) return refuse(conflicts);
  let document: Document.Parsed;
  try {
    document = parseDocument(source.text, { uniqueKeys: false, prettyErrors: false, strict: true });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return refuse([{
      severity: "error",
      code: "yaml-syntax",
      message: "the values are nested too deeply",
      span: { source, start: 0, end: 1 },
      fix: "nest less",
    }]);
  }
  if (document.errors.length > 0) {
    // One tab upsets the parser several times; the tab is what is to be mended.
    const tabs = document.errors.filter(({ code }) => code === "TAB_AS_INDENT");
    return refuse((tabs.length > 0 ? tabs : document.errors).map((error) => ({
      severity: "error",
      code: "yaml-syntax",
      message: `not valid YAML: ${error.message.replace(/\.?$/, "")}`,
      span: { source, start: error.pos[0], end: error.pos[1] },
      fix: syntaxFix(error.code),
    })));
  }
  const problems = findStructureProblems(source, document);
  if (problems.length > 0) return refuse(problems);

  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return refuse([{
      severity: "error",
      code: "yaml-syntax",
      message: `cannot expand the YAML aliases: ${(error as Error).message}`,
      span: { source, start: 0, end: 1 },
      fix: "write repeated parts out, or use vars",
    }]);
  }

  const locate = (path: DocumentPath, target: "key" | "value" = "value"): Span | undefined => {
    let node: unknown = document.contents;
    let key: Node | undefined;
    for (const part of path) {
      if (isAlias(node)) node = node.resolve(document);
      if (isMap(node)) {
        const pair = findPair(node, String(part));
        if (pair === undefined) return undefined;
        key = pair.key as Node;
        node = pair.value;
      } else if (isSeq(node) && typeof part === "number") {
        key = undefined;
        node = node.items[part];
      } else {
        return undefined;
      }
    }
    if (target === "key" && key !== undefined) return spanOf(source, key);
    // A null value, as in `with:` alone, has an empty range; its key is the better place to point at.
    if ((node === null || (isScalar(node) && node.range?.[0] === node.range?.[1])) && key !== undefined) {
      return spanOf(source, key);
    }
    return node === undefined ? undefined : spanOf(source, node as Node);
  };
  const end = source.text.indexOf("\n");
  return succeed({ value, locate, whole: { source, start: 0, end: end < 0 ? source.text.length : end } });
}
