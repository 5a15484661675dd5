import { isRecord } from "../load/tree.ts";

/**
 * Lay one document over another: maps are merged key by key, a null removes the key, and anything else takes the place of
 * what was there, lists included, since half of a list is rarely what one wants. A map within that has another `name` is
 * another thing, such as another sampler, and keeps nothing of the one below.
 */
export function mergeValues(base: unknown, over: unknown): unknown {
  return merge(base, over, true);
}

function merge(base: unknown, over: unknown, isRoot: boolean): unknown {
  if (!isRecord(base) || !isRecord(over)) return withoutNulls(over);
  const named = (value: Record<string, unknown>) => isRoot ? undefined : value["name"];
  if (named(base) !== undefined && named(over) !== undefined && named(base) !== named(over)) return withoutNulls(over);
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (value === null) delete merged[key];
    else merged[key] = Object.hasOwn(base, key) ? merge(base[key], value, false) : withoutNulls(value);
  }
  return merged;
}

/** A null that removes what was never there leaves nothing behind. */
function withoutNulls(value: unknown): unknown {
  if (!isRecord(value)) return value;
  const kept = Object.entries(value).filter(([, each]) => each !== null);
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutNulls(each)]));
}
