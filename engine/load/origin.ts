import { formatSpan } from "../diagnostic/position.ts";
import type { Span } from "../diagnostic/diagnostic.ts";
import { type DocumentPath, formatPath, type SourceDocument } from "../source/document.ts";
import type { Interpolation } from "./interpolate.ts";
import type { Override } from "./overrides.ts";

/** Where values of a resolved pipeline came from. */
export interface Origins {
  /** Where the value at a path is written, or the nearest enclosing part that is. */
  locate(path: DocumentPath, target?: "key" | "value"): Span | undefined;
  /** The chain from the value back to its source, nearest first: overrides and vars, then the file, or the default. */
  explain(path: DocumentPath): string[];
}

function startsWith(path: DocumentPath, prefix: DocumentPath): boolean {
  return prefix.length <= path.length && prefix.every((part, index) => String(part) === String(path[index]));
}

export function makeOrigins(
  document: SourceDocument,
  overrides: readonly Override[],
  interpolations: readonly Interpolation[],
): Origins {
  const locate = (path: DocumentPath, target: "key" | "value" = "value"): Span | undefined => {
    const exact = document.locate(path, target);
    if (exact !== undefined) return exact;
    for (let length = path.length - 1; length > 0; length--) {
      const span = document.locate(path.slice(0, length), "key");
      if (span !== undefined) return span;
    }
    return document.whole;
  };

  const byPath = new Map<string, Interpolation>();
  for (const one of interpolations) if (!byPath.has(one.path.join("\0"))) byPath.set(one.path.join("\0"), one);
  const findAbove = (path: DocumentPath): Interpolation | undefined => {
    for (let length = path.length; length > 0; length--) {
      const found = byPath.get(path.slice(0, length).join("\0"));
      if (found !== undefined) return found;
    }
    return undefined;
  };

  const explain = (path: DocumentPath, depth = 0): string[] => {
    if (depth > 20) return [];
    const chain: string[] = [];
    const override = overrides.findLast((one) => startsWith(path, one.path));
    const interpolation = findAbove(path);
    const span = document.locate(path) ?? (interpolation && document.locate(interpolation.path));
    if (override !== undefined) {
      const over = span === undefined ? "" : `, overriding ${formatSpan(span)}`;
      chain.push(`--set ${override.text}${over}`);
    } else if (span !== undefined) {
      chain.push(formatSpan(span));
    }
    if (interpolation !== undefined) {
      const rest = path.slice(interpolation.path.length);
      const inner = explain([...interpolation.from, ...rest], depth + 1);
      chain.push(`\${${interpolation.expression}}${inner.length > 0 ? ` = ${inner.join(", ")}` : ""}`);
    }
    if (chain.length === 0) {
      chain.push(document.whole === undefined ? `${formatPath(path)} in the pipeline` : "default");
    }
    return chain;
  };

  return { locate, explain };
}
