import type { Span } from "../diagnostic/diagnostic.ts";
import { formatSpan } from "../diagnostic/position.ts";
import type { DocumentPath, SourceDocument } from "../source/document.ts";

/** A part of a file that was laid over others. */
export interface Layer {
  readonly document: SourceDocument;
  /** Where the part begins in its file: `[]`, or `["profiles", name]`. */
  readonly prefix: DocumentPath;
  /** What to say beside its place, such as `profile small`. */
  readonly label?: string;
}

/** Several layers that read as one document. A part is where the topmost layer that has it says it. */
export function layeredDocument(value: unknown, layers: readonly Layer[]): SourceDocument {
  const topmost = [...layers].reverse();
  const top = layers[0]!.document;
  const locate = (path: DocumentPath, target?: "key" | "value"): Span | undefined => {
    for (const { document, prefix } of topmost) {
      const span = document.locate([...prefix, ...path], target);
      if (span !== undefined) return span;
    }
    return undefined;
  };
  const origin = (path: DocumentPath): string | undefined => {
    const found = topmost.flatMap(({ document, prefix, label }) => {
      const at = [...prefix, ...path];
      const span = document.locate(at);
      const place = span === undefined ? document.origin?.(at) : formatSpan(span);
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
