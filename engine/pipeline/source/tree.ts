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
