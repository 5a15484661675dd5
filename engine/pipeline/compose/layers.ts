import { relative, resolve } from "node:path";
import { type Entries, isRecord, mapLeaves } from "../source/tree.ts";
import type { Span } from "../../diagnostic/diagnostic.ts";
import type { DocumentPath, SourceDocument } from "../../diagnostic/document.ts";

/**
 * Lays one document over another: maps are merged key by key, a null removes the key, and anything else takes the place
 * of what was there, lists included, since half of a list is rarely wanted. Among a stage's params a map with another
 * `name`, or another `uses`, is another thing, such as another sampler, and keeps nothing of the map below. Nulls in
 * profiles stay: they remove keys only when the profile is laid over the files.
 */
export function mergeValues(base: unknown, over: unknown, path: readonly string[] = []): unknown {
  if (!isRecord(over)) return over;
  const merged = new Map(isRecord(base) && !isAnotherThing(base, over, path) ? Object.entries(base) : []);
  for (const [key, value] of Object.entries(over)) {
    // A null for a key that was never there leaves nothing behind either.
    if (value === null && path[0] !== "profiles") merged.delete(key);
    else merged.set(key, mergeValues(merged.get(key), value, [...path, key]));
  }
  return Object.fromEntries(merged);
}

function isAnotherThing(base: Entries, over: Entries, path: readonly string[]): boolean {
  const inParams = path.indexOf("with") >= 2;
  const [before, after] = [base, over].map(({ name, uses }) =>
    [name, uses].map((one) => typeof one === "string" ? one : "")
  );
  const isNamed = after!.some((one) => one !== "") && (before!.some((one) => one !== "") || after![1] !== "");
  return inParams && isNamed && before!.some((one, i) => one !== after![i]);
}

/** Rebases texts that start with `./` or `../`: they are paths from the folder of the file that contains them. */
export function rebase(value: unknown, folder: string): unknown {
  if (folder === "") return value;
  return mapLeaves(value, (leaf) => {
    if (typeof leaf !== "string" || !/^\.{1,2}\//.test(leaf)) return leaf;
    const moved = relative(".", resolve(folder, leaf)).replaceAll("\\", "/");
    return moved.startsWith("../") ? moved : `./${moved}`;
  });
}

/** A part of a file that is laid over others. */
export interface Layer {
  readonly document: SourceDocument;
  /** The path at which the part begins in its file: `[]`, or `["profiles", name]`. */
  readonly prefix: DocumentPath;
  /** The path at which the part lies in the whole; by default the part is the whole. */
  readonly at?: DocumentPath;
  /** A note to show beside its place, such as `profile small`. */
  readonly label?: string;
}

/** Returns several layers as one document. A part is located in the topmost layer that has it. */
export function layeredDocument(value: unknown, layers: readonly Layer[]): SourceDocument {
  // There may be thousands of nested pipelines, but few around any one path.
  const ranked = layers.map((layer, rank) => ({ ...layer, rank }));
  const byPlace = Map.groupBy(ranked, ({ at = [] }) => at.join("\0"));
  const around = (path: DocumentPath) => {
    const places = [...path.keys(), path.length].map((length) => path.slice(0, length));
    return places.flatMap((one) => byPlace.get(one.join("\0")) ?? []).sort((a, b) => b.rank - a.rank);
  };
  const locate = (path: DocumentPath, target?: "key" | "value"): Span | undefined => {
    for (const layer of around(path)) {
      const inner = pathWithin(layer, path);
      const span = inner && layer.document.locate(inner, target);
      if (span !== undefined) return span;
    }
    return undefined;
  };
  const origin = (path: DocumentPath): string | undefined => {
    const found = around(path).flatMap((layer) => {
      const { document, label } = layer;
      const inner = pathWithin(layer, path);
      const place = inner && document.origin(inner);
      return place === undefined ? [] : [`${place}${label === undefined ? "" : ` (${label})`}`];
    });
    return found.length === 0 ? undefined : found.join(", overriding ");
  };
  return { value, locate, origin, whole: layers[0]!.document.whole };
}

/** Returns the path in the layer's own file; undefined if the path lies elsewhere. */
function pathWithin({ prefix, at = [] }: Layer, path: DocumentPath): DocumentPath | undefined {
  const inside = at.every((part, index) => String(part) === String(path[index]));
  return inside ? [...prefix, ...path.slice(at.length)] : undefined;
}
