import * as yaml from "yaml";
import {
  type Diagnostic,
  errorOf,
  refuse,
  type Result,
  type SourceText,
  type Span,
  succeed,
} from "../../diagnostic/diagnostic.ts";
import type { DocumentPath, SourceDocument } from "../../diagnostic/document.ts";
import { formatSpan } from "../../diagnostic/format.ts";
import { FORBIDDEN_KEYS, MAX_DEPTH, MAX_VALUES, measure, TOO_DEEP, TOO_LARGE } from "./tree.ts";

function findConflictMarkers(source: SourceText): Diagnostic[] {
  const match = /^(<{7}|={7}|>{7})( |$)/m.exec(source.text);
  if (match === null) return [];
  const span = { source, start: match.index, end: match.index + match[1]!.length };
  const fix = "resolve the conflict and remove the <<<<<<<, ======= and >>>>>>> lines";
  return [errorOf("merge-conflict", "the file has merge-conflict markers", fix, { span })];
}

const invalid = (message: string) =>
  `not valid YAML: ${message.replace(/\.?$/, "").replace(/^Missing closing (.)quote$/, "this $1 is not closed")}`;

/** The signs that may be missing where the parser reports an error. It often notices that only on the next line. */
const MISSING: Partial<Record<string, string>> = {
  MULTILINE_IMPLICIT_KEY: ":",
  BLOCK_AS_IMPLICIT_KEY: ": or {",
  BLOCK_IN_FLOW: ", or {",
  MISSING_CHAR: ", or :",
};

/** Returns what to do about the parser's most common errors. */
function syntaxFix(code: string, message: string): string {
  const open = /Missing closing |end with a (.)$/.exec(message);
  if (open !== null) return `write the ${open[1] ?? "quote"} that closes it`;
  if (code === "TAB_AS_INDENT") return "indent with spaces; YAML does not allow tabs";
  if (code === "BAD_INDENT") return "align the line with its siblings";
  if (code === "MULTIPLE_DOCS") return "keep one document per file";
  const missing = MISSING[code];
  if (missing !== undefined) return `is a ${missing} missing in or above this line?`;
  return "correct the YAML; values with special characters need quotes";
}

/** Finds where a text has more tokens than may be parsed. Lexing takes a tenth of the time and memory of parsing. */
function findSurplus(source: SourceText): Diagnostic[] {
  if (source.text.length <= MAX_PIECES) return [];
  let [pieces, offset] = [0, 0];
  for (const lexeme of new yaml.Lexer().lex(source.text)) {
    // The lexer's own marks stand for nothing in the text.
    if (LEXER_MARKS.includes(lexeme)) continue;
    if (++pieces > MAX_PIECES) {
      const message = `the file has more than ${MAX_PIECES} tokens`;
      return [syntaxError({ source, start: offset, end: offset + 1 }, message, "write less")];
    }
    offset += lexeme.length;
  }
  return [];
}

/** The most tokens of a text: parsing so many takes two seconds, however they are written. */
const MAX_PIECES = 500_000;
const LEXER_MARKS = ["\u0002", "\u0018", "\u001f"];

function tooDeep(source: SourceText, offset: number): Diagnostic {
  const start = Math.min(offset, source.text.length);
  return syntaxError({ source, start, end: start }, TOO_DEEP, "nest less");
}

/** Parses YAML into a plain value whose parts can be located. All syntax errors are reported at once. */
export function parseYaml(source: SourceText): Result<SourceDocument> {
  const early = [...findConflictMarkers(source), ...findSurplus(source)];
  if (early.length > 0) return refuse(early);
  let document: yaml.Document.Parsed;
  try {
    document = yaml.parseDocument(source.text, { uniqueKeys: false, prettyErrors: false, strict: true });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    // The parser overflowed and does not say where.
    return refuse([tooDeep(source, 0)]);
  }
  if (document.errors.length > 0) {
    const overflow = document.errors.find(({ code }) => code === "RESOURCE_EXHAUSTION");
    if (overflow !== undefined) return refuse([tooDeep(source, overflow.pos[0])]);
    // One tab or missing sign upsets the parser several times, so only the tab or the first error is reported.
    const tabs = document.errors.filter(({ code }) => code === "TAB_AS_INDENT");
    const told = tabs.length > 0 ? tabs : document.errors.slice(0, document.errors[0]!.code in MISSING ? 1 : undefined);
    return refuse(
      told.map(({ code, message, pos: [start, end] }) => {
        const quote = message.startsWith("Missing closing ") ? openingOf(document, start) : undefined;
        const place = quote === undefined ? { start, end } : { start: quote, end: quote + 1 };
        return syntaxError({ source, ...place }, invalid(message), syntaxFix(code, message));
      }),
    );
  }
  if (document.directives?.yaml.version === "1.1") {
    const start = source.text.indexOf("%YAML");
    const span = { source, start, end: start + "%YAML 1.1".length };
    const message = "the file asks for YAML 1.1, in which yes, 010 and 1:30 mean other values";
    return refuse([syntaxError(span, message, "remove the line")]);
  }
  const { value, problems, targets, pairs } = readNodes(source, document.contents);
  if (problems.length > 0) return refuse(problems);

  const locate = (path: DocumentPath, target: "key" | "value" = "value"): Span | undefined => {
    let node: unknown = document.contents;
    let key: yaml.Node | undefined;
    for (const part of path) {
      node = targets.get(node) ?? node;
      if (yaml.isMap(node)) {
        const pair = pairs.get(node)?.get(String(part));
        if (pair === undefined) return undefined;
        key = pair.key as yaml.Node;
        node = pair.value;
      } else if (yaml.isSeq(node) && typeof part === "number") {
        key = undefined;
        node = node.items[part];
      } else {
        return undefined;
      }
    }
    // A null value, as in `with:` alone, has an empty range; its key is the better place to point at.
    const empty = node === null || (yaml.isScalar(node) && node.range?.[0] === node.range?.[1]);
    if (key !== undefined && (target === "key" || empty)) return spanOf(source, key);
    return node === undefined ? undefined : spanOf(source, node as yaml.Node);
  };
  const end = source.text.indexOf("\n");
  const origin = (path: DocumentPath) => {
    const span = locate(path);
    return span && formatSpan(span);
  };
  return succeed({ value, locate, origin, whole: { source, start: 0, end: end < 0 ? source.text.length : end } });
}

/** Returns where the quoted text that ends at an offset begins: the parser reports an unclosed quote at its end. */
function openingOf(document: yaml.Document.Parsed, end: number): number | undefined {
  let start: number | undefined;
  yaml.visit(document, {
    Scalar: (_key, { range }) => void (range?.[1] === end && range[0] < end && (start = range[0])),
  });
  return start;
}

function spanOf(source: SourceText, node: { range?: [number, number, number] | null | undefined } | null): Span {
  const [start, end] = node?.range ?? [0, 0];
  return { source, start, end };
}

/** Returns an error in the text itself. */
function syntaxError(span: Span, message: string, fix: string): Diagnostic {
  return errorOf("yaml-syntax", message, fix, { span });
}

/**
 * Reads the value of a document in one pass, in the order of the text. The parser's own method searches the whole
 * document for the anchor of each alias, and compares each key with all others.
 * @returns also what is refused, as `targets` the nodes that aliases repeat, and the pairs of each map by their keys
 */
function readNodes(source: SourceText, contents: unknown) {
  const problems: Diagnostic[] = [];
  const targets = new Map<unknown, yaml.Node>();
  const pairs = new Map<yaml.YAMLMap, ReadonlyMap<string, yaml.YAMLMap["items"][number]>>();
  // An anchored node is not whole while it is being read, so an alias within it is refused.
  const anchors = new Map<string, { readonly node: yaml.Node; readonly whole: boolean; readonly value: unknown }>();
  let repeated = 0;

  const report = (node: yaml.Node, message: string, fix: string, more: Partial<Diagnostic> = {}): undefined => {
    problems.push({ ...syntaxError(spanOf(source, node), message, fix), ...more });
  };

  const readAlias = (node: yaml.Alias, depth: number): unknown => {
    const anchored = anchors.get(node.source);
    if (anchored === undefined) {
      return report(node, `nothing before it is called &${node.source}`, "repeat the value, or put the anchor first");
    }
    if (!anchored.whole) return report(node, "an alias stands inside what it repeats", "write the value out");
    targets.set(node, anchored.node);
    const { values, depth: inner } = measure(anchored.value);
    if (depth + inner > MAX_DEPTH) return report(node, TOO_DEEP, "nest less");
    const before = repeated;
    repeated += values;
    // Reported once, at the alias that exceeds the limit.
    if (repeated <= MAX_VALUES) return anchored.value;
    return before > MAX_VALUES ? undefined : report(node, `${TOO_LARGE} by its aliases`, "repeat less");
  };

  const readMap = (node: yaml.YAMLMap, depth: number): unknown => {
    const value: Record<string, unknown> = {};
    const seen = new Map<string, yaml.YAMLMap["items"][number]>();
    pairs.set(node, seen);
    for (const pair of node.items) {
      const key = pair.key as yaml.Node;
      const name = yaml.isScalar(key) ? String(key.value) : undefined;
      if (name === undefined) {
        report(key, "a key must be plain text", "write the key as a word or a quoted string");
        continue;
      }
      const first = seen.get(name);
      const instead = FORBIDDEN_KEYS.get(name);
      if (instead !== undefined) report(key, `"${name}" cannot be a key`, instead, { code: "invalid-value" });
      else if (first !== undefined) {
        report(key, `duplicate key "${name}"`, "rename or remove one of the two", {
          code: "duplicate-key",
          related: [{ message: "first written at", span: spanOf(source, first.key as yaml.Node) }],
        });
      } else seen.set(name, pair);
      read(key, depth + 1);
      const inner = read(pair.value, depth + 1);
      if (first === undefined && instead === undefined) value[name] = inner;
    }
    return value;
  };

  const readBare = (node: unknown, depth: number): unknown => {
    if (depth > MAX_DEPTH) return report(node as yaml.Node, TOO_DEEP, "nest less");
    if (yaml.isScalar(node)) return node.value;
    if (yaml.isSeq(node)) return node.items.map((item) => read(item, depth + 1));
    return yaml.isMap(node) ? readMap(node, depth) : null;
  };

  const read = (node: unknown, depth: number): unknown => {
    if (yaml.isAlias(node)) return readAlias(node, depth);
    const anchor = (node as { anchor?: string } | null)?.anchor;
    if (anchor === undefined) return readBare(node, depth);
    anchors.set(anchor, { node: node as yaml.Node, whole: false, value: undefined });
    const value = readBare(node, depth);
    anchors.set(anchor, { node: node as yaml.Node, whole: true, value });
    return value;
  };

  return { value: read(contents, 0), problems, targets, pairs };
}
