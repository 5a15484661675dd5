import { type Alias, isAlias, isMap, isScalar, isSeq, type Node, type YAMLMap } from "yaml";
import { type Diagnostic, errorOf, type SourceText, type Span } from "../../diagnostic/diagnostic.ts";
import { FORBIDDEN_KEYS, MAX_DEPTH, MAX_VALUES, measure, TOO_DEEP, TOO_LARGE } from "./budget.ts";

export function spanOf(source: SourceText, node: { range?: [number, number, number] | null | undefined } | null): Span {
  const [start, end] = node?.range ?? [0, 0];
  return { source, start, end };
}

/** An error of the text itself. */
export function syntaxError(span: Span, message: string, fix: string): Diagnostic {
  return errorOf("yaml-syntax", message, fix, { span });
}

/** What the nodes of a document say, and what of it cannot be taken. */
export interface ReadNodes {
  readonly value: unknown;
  readonly problems: readonly Diagnostic[];
  /** The nodes that aliases repeat. */
  readonly targets: ReadonlyMap<unknown, Node>;
}

interface Anchored {
  readonly node: Node;
  /** False within the node itself. */
  readonly whole: boolean;
  readonly value: unknown;
}

/**
 * Read the value of a document in one pass, in the order of the text. The parser's own way looks for the anchor of each
 * alias in the whole document, and compares each key with all others.
 */
export function readNodes(source: SourceText, contents: unknown): ReadNodes {
  const problems: Diagnostic[] = [];
  const targets = new Map<unknown, Node>();
  const anchors = new Map<string, Anchored>();
  let repeated = 0;

  const report = (node: Node, message: string, fix: string, more: Partial<Diagnostic> = {}): undefined => {
    problems.push({ ...syntaxError(spanOf(source, node), message, fix), ...more });
  };

  const readAlias = (node: Alias, depth: number): unknown => {
    const anchored = anchors.get(node.source);
    if (anchored === undefined) {
      return report(
        node,
        `nothing before it is called &${node.source}`,
        "repeat the value, or put the anchor first",
      );
    }
    if (!anchored.whole) return report(node, "an alias stands inside what it repeats", "write the value out");
    targets.set(node, anchored.node);
    const { values, depth: inner } = measure(anchored.value);
    if (depth + inner > MAX_DEPTH) return report(node, TOO_DEEP, "nest less");
    const before = repeated;
    repeated += values;
    // Said once, where it comes to be too much.
    if (repeated <= MAX_VALUES) return anchored.value;
    return before > MAX_VALUES ? undefined : report(node, `${TOO_LARGE} by its aliases`, "repeat less");
  };

  const readMap = (node: YAMLMap, depth: number): unknown => {
    const value: Record<string, unknown> = {};
    const seen = new Map<string, Node>();
    for (const pair of node.items) {
      const key = pair.key as Node;
      const name = isScalar(key) ? String(key.value) : undefined;
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
          related: [{ message: "first written at", span: spanOf(source, first) }],
        });
      } else seen.set(name, key);
      read(key, depth + 1);
      const inner = read(pair.value, depth + 1);
      if (first === undefined && instead === undefined) value[name] = inner;
    }
    return value;
  };

  const readBare = (node: unknown, depth: number): unknown => {
    if (depth > MAX_DEPTH) return report(node as Node, TOO_DEEP, "nest less");
    if (isScalar(node)) return node.value;
    if (isSeq(node)) return node.items.map((item) => read(item, depth + 1));
    return isMap(node) ? readMap(node, depth) : null;
  };

  const read = (node: unknown, depth: number): unknown => {
    if (isAlias(node)) return readAlias(node, depth);
    const anchor = (node as { anchor?: string } | null)?.anchor;
    if (anchor === undefined) return readBare(node, depth);
    anchors.set(anchor, { node: node as Node, whole: false, value: undefined });
    const value = readBare(node, depth);
    anchors.set(anchor, { node: node as Node, whole: true, value });
    return value;
  };

  return { value: read(contents, 0), problems, targets };
}
