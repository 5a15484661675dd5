import type { Span } from "../../diagnostic/diagnostic.ts";
import type { DocumentPath, Origins, SourceDocument } from "../../diagnostic/document.ts";
import type { Interpolation } from "../compose/interpolate.ts";

/**
 * Finds where the values of a resolved pipeline come from.
 * @param families children of a matrix by the id that the file gives to their stage
 * @param places of stages that the file does not name, where it asks for them
 */
export function makeOrigins(
  document: SourceDocument,
  interpolations: readonly Interpolation[],
  families: ReadonlyMap<string, readonly string[]>,
  places: ReadonlyMap<string, DocumentPath> = new Map(),
): Origins {
  const parents = new Map([
    ...[...families].flatMap(([id, children]) => children.map((child) => [child, ["stages", id]] as const)),
    ...places,
  ]);
  /** Returns the path in the file of a path in the resolved pipeline. */
  const written = (path: DocumentPath): DocumentPath => {
    const parent = path[0] === "stages" ? parents.get(String(path[1])) : undefined;
    return parent === undefined ? path : [...parent, ...path.slice(2)];
  };
  const locate = (resolved: DocumentPath, target: "key" | "value" = "value"): Span | undefined => {
    const path = written(resolved);
    const around = outward(path).drop(1).map((one) => document.locate(one, "key"));
    return document.locate(path, target) ?? around.find((span) => span !== undefined) ?? document.whole;
  };

  // If a path has several interpolations, the first one counts.
  const byPath = new Map(interpolations.toReversed().map((one) => [one.path.join("\0"), one]));
  const findAbove = (path: DocumentPath): Interpolation | undefined =>
    outward(path).map((one) => byPath.get(one.join("\0"))).find((found) => found !== undefined);

  const explain = (resolved: DocumentPath, depth = 0): string[] => {
    if (depth > 20) return [];
    const path = written(resolved);
    const chain: string[] = [];
    const interpolation = findAbove(resolved) ?? findAbove(path);
    const place = document.origin(path) ?? (interpolation && document.origin(written(interpolation.path)));
    if (place !== undefined) chain.push(place);
    if (interpolation !== undefined) {
      const rest = path.slice(interpolation.path.length);
      const inner = explain([...interpolation.from, ...rest], depth + 1);
      chain.push(`\${${interpolation.expression}}${inner.length > 0 ? ` = ${inner.join(", ")}` : ""}`);
    }
    return chain.length === 0 ? ["default"] : chain;
  };

  return { locate, explain };
}

/** Yields a path and the paths of everything around it, nearest first. */
function outward(path: DocumentPath): IteratorObject<DocumentPath> {
  return path.keys().map((index) => path.slice(0, path.length - index));
}
