import type { DocumentPath } from "../../diagnostic/document.ts";

/** A plain map that is only read. */
export type Entries = Readonly<Record<string, unknown>>;

/** True if a value is a plain map, as YAML and JSON give them. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns a value if it is a map, else an empty map. */
export function asMap(value: unknown): Entries {
  return isRecord(value) ? value : {};
}

/** Follows a path through maps and lists; `found` tells a missing value from an undefined one. */
export function getPath(root: unknown, path: DocumentPath): { found: boolean; value?: unknown } {
  let node = root;
  for (const part of path) {
    if (Array.isArray(node) && Number.isInteger(Number(part)) && Number(part) < node.length) node = node[Number(part)];
    else if (isRecord(node) && Object.hasOwn(node, part)) node = node[part];
    else return { found: false };
  }
  return { found: true, value: node };
}

/** Orders the keys of all maps in a value by code units, so that the order in a file reaches nobody: no key has it. */
export function sortKeys<T>(value: T): T {
  if (!isRecord(value)) return Array.isArray(value) ? value.map(sortKeys) as T : value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sortKeys(value[name])])) as T;
}

/**
 * Changes the leaves of a value, such as texts and numbers. Parts in which nothing changes stay the same objects.
 * @param path the path of the value, with which the paths of its leaves begin
 */
export function mapLeaves(
  value: unknown,
  change: (leaf: unknown, path: DocumentPath) => unknown,
  path: DocumentPath = [],
): unknown {
  if (!Array.isArray(value) && !isRecord(value)) return change(value, path);
  let changed: Record<string | number, unknown> | undefined;
  for (const [name, item] of Object.entries(value)) {
    const next = mapLeaves(item, change, [...path, Array.isArray(value) ? Number(name) : name]);
    if (!Object.is(next, item)) (changed ??= Array.isArray(value) ? [...value] as never : { ...value })[name] = next;
  }
  return changed ?? value;
}

/** The most values that a pipeline may have, however it is written: more than anybody has on purpose. */
export const MAX_VALUES = 1_000_000;
/** The most stages, counting all children of matrices and all stages of nested pipelines. */
export const MAX_STAGES = 20_000;
/** The most levels of lists and maps within each other. */
export const MAX_DEPTH = 100;
/** The characters of a text that count as one more value. */
const TEXT_PER_VALUE = 64;

export const TOO_LARGE = `the pipeline grows to more than ${MAX_VALUES} values`;
export const TOO_DEEP = `the values are nested more than ${MAX_DEPTH} deep`;

/** Keys that would be lost on the way, or do not mean what their author thinks, each with what to do instead. */
export const FORBIDDEN_KEYS: ReadonlyMap<string, string> = new Map([
  ["__proto__", "rename it"],
  ["<<", "repeat the keys, or use extends, profiles or vars: YAML 1.2 has no merge keys"],
]);

interface Measure {
  /** The number of values when written out: shared parts count wherever they occur. */
  readonly values: number;
  readonly depth: number;
}

const measured = new WeakMap<object, Measure>();

/** Returns the size of a value when written out. Shared parts are measured once; a value must not change later. */
export function measure(value: unknown): Measure {
  if (typeof value === "string") return { values: 1 + value.length / TEXT_PER_VALUE, depth: 0 };
  if (typeof value !== "object" || value === null) return { values: 1, depth: 0 };
  const known = measured.get(value);
  if (known !== undefined) return known;
  let [values, depth] = [1, 0];
  for (const [key, each] of Object.entries(value)) {
    const inner = measure(each);
    values += inner.values + key.length / TEXT_PER_VALUE;
    depth = Math.max(depth, inner.depth);
  }
  const found = { values, depth: depth + 1 };
  measured.set(value, found);
  return found;
}

/** Finds the first reason why a value that was not read from text cannot be a pipeline, and its place. */
export function findUnfit(
  value: unknown,
  path: DocumentPath = [],
): { readonly path: DocumentPath; readonly message: string; readonly fix: string } | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (path.length >= MAX_DEPTH) return { path, message: TOO_DEEP, fix: "nest less" };
  for (const [key, each] of Object.entries(value)) {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    const instead = FORBIDDEN_KEYS.get(key);
    const found = instead === undefined
      ? findUnfit(each, at)
      : { path: at, message: `"${key}" cannot be a key`, fix: instead };
    if (found !== undefined) return found;
  }
  return undefined;
}

/** One allowance for all that makes a pipeline larger than its text: aliases, `${…}`, nested pipelines, matrices. */
export class Budget {
  #values = MAX_VALUES;
  #stages = MAX_STAGES;

  get spent(): boolean {
    return this.#values < 0 || this.#stages < 0;
  }

  /** Spends the size of a value and a number of stages; returns why that is too much, if it is. */
  take(value: unknown, stages = 0): string | undefined {
    this.#values -= measure(value).values;
    this.#stages -= stages;
    if (this.#stages < 0) return `the pipeline grows to more than ${MAX_STAGES} stages`;
    return this.#values < 0 ? TOO_LARGE : undefined;
  }
}
