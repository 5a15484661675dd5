import { isRecord } from "../load/tree.ts";

/**
 * Lay one value over another: maps are merged key by key, a null removes the key, and anything else takes the place of
 * what was there, lists included, since half of a list is rarely what one wants.
 */
export function mergeValues(base: unknown, over: unknown): unknown {
  if (!isRecord(base) || !isRecord(over)) return over;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (value === null) delete merged[key];
    else merged[key] = Object.hasOwn(base, key) ? mergeValues(base[key], value) : withoutNulls(value);
  }
  return merged;
}

/** A null that removes what was never there leaves nothing behind. */
function withoutNulls(value: unknown): unknown {
  if (!isRecord(value)) return value;
  const kept = Object.entries(value).filter(([, each]) => each !== null);
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutNulls(each)]));
}
