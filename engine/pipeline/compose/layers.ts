import type { Span } from "../../diagnostic/diagnostic.ts";
import { formatSpan } from "../../diagnostic/position.ts";
import type { DocumentPath, SourceDocument } from "../../diagnostic/document.ts";

/** A part of a file that was laid over others. */
export interface Layer {
  readonly document: SourceDocument;
  /** Where the part begins in its file: `[]`, or `["profiles", name]`. */
  readonly prefix: DocumentPath;
  /** Where it lies in the whole; default: the part is the whole. */
  readonly at?: DocumentPath;
  /** What to say beside its place, such as `profile small`. */
  readonly label?: string;
}

/** Several layers that read as one document. A part is where the topmost layer that has it says it. */
export function layeredDocument(value: unknown, layers: readonly Layer[]): SourceDocument {
  // Of thousands of inner pipelines, few lie where one looks; no part begins deeper than a stage.
  const ranked = layers.map((layer, rank) => ({ ...layer, rank }));
  const byPlace = Map.groupBy(ranked, ({ at = [] }) => at.join("\0"));
  const around = (path: DocumentPath) => {
    const places = [[], path.slice(0, 1), path.slice(0, 2)].slice(0, path.length + 1);
    return places.flatMap((one) => byPlace.get(one.join("\0")) ?? []).sort((a, b) => b.rank - a.rank);
  };
  const top = layers[0]!.document;
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
      const span = inner && document.locate(inner);
      const place = span === undefined ? inner && document.origin?.(inner) : formatSpan(span);
      return place === undefined ? [] : [`${place}${label === undefined ? "" : ` (${label})`}`];
    });
    return found.length === 0 ? undefined : found.join(", overriding ");
  };
  return {
    value,
    locate,
    origin,
    get whole() {
      return top.whole;
    },
  };
}

/** The path in the layer's own file; undefined for what lies elsewhere. */
function pathWithin({ prefix, at = [] }: Layer, path: DocumentPath): DocumentPath | undefined {
  const inside = at.every((part, index) => String(part) === String(path[index]));
  return inside ? [...prefix, ...path.slice(at.length)] : undefined;
}
