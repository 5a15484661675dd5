import { relative, resolve } from "node:path";
import { isRecord, mapLeaves } from "../source/tree.ts";

/**
 * Lay one document over another: maps are merged key by key, a null removes the key, and anything else takes the place of
 * what was there, lists included, since half of a list is rarely what one wants. Among a stage's params a map with another
 * `name` is another thing, such as another sampler, and keeps nothing of the one below. What profiles remove they remove
 * when they are laid over the files: until then their nulls stay.
 */
export function mergeValues(base: unknown, over: unknown): unknown {
  return merge(base, over, []);
}

function merge(base: unknown, over: unknown, path: readonly string[]): unknown {
  if (!isRecord(base) || !isRecord(over) || isAnotherThing(base, over, path)) return cleaned(over, path);
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(over)) {
    const inner = [...path, key];
    if (value === null && !keepsNulls(path)) merged.delete(key);
    else merged.set(key, merged.has(key) ? merge(merged.get(key), value, inner) : cleaned(value, inner));
  }
  return Object.fromEntries(merged);
}

function isAnotherThing(
  base: Record<string, unknown>,
  over: Record<string, unknown>,
  path: readonly string[],
): boolean {
  const inParams = path.indexOf("with") >= 2;
  const [before, after] = [base["name"], over["name"]];
  return inParams && typeof before === "string" && typeof after === "string" && before !== after;
}

function keepsNulls([root]: readonly string[]): boolean {
  return root === "profiles";
}

/** A null that removes what was never there leaves nothing behind. */
function cleaned(value: unknown, path: readonly string[]): unknown {
  if (!isRecord(value) || keepsNulls(path)) return value;
  const kept = Object.entries(value).filter(([, each]) => each !== null);
  return Object.fromEntries(kept.map(([key, each]) => [key, cleaned(each, [...path, key])]));
}

/** Texts that start with `./` or `../` are paths from the folder of the file that they stand in. */
export function rebase(value: unknown, folder: string): unknown {
  if (folder === "") return value;
  return mapLeaves(value, (leaf) => {
    if (typeof leaf !== "string" || !/^\.{1,2}\//.test(leaf)) return leaf;
    const moved = relative(".", resolve(folder, leaf)).replaceAll("\\", "/");
    return moved.startsWith("../") ? moved : `./${moved}`;
  });
}
