import type { Origins } from "../diagnostic/document.ts";

/** A value that is not a map, with where it comes from, nearest first. */
interface Leaf {
  readonly path: readonly string[];
  readonly value: unknown;
  readonly origin: readonly string[];
}

/** Yields the leaves of a value. @param path the path of the value in the resolved pipeline */
export function* leavesIn(path: readonly string[], value: unknown, origins: Pick<Origins, "explain">): Generator<Leaf> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return yield { path, value, origin: origins.explain(path) };
  }
  for (const [key, inner] of Object.entries(value)) {
    if (inner !== undefined) yield* leavesIn([...path, key], inner, origins);
  }
}
