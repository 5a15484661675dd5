/** Whether a value is a plain map, as YAML and JSON give them. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Follow a path through maps and lists; `found` tells a missing value from an undefined one. */
export function getPath(root: unknown, path: readonly (string | number)[]): { found: boolean; value?: unknown } {
  let node = root;
  for (const part of path) {
    if (Array.isArray(node) && Number.isInteger(Number(part)) && Number(part) < node.length) node = node[Number(part)];
    else if (isRecord(node) && Object.hasOwn(node, part)) node = node[part];
    else return { found: false };
  }
  return { found: true, value: node };
}

/** Paths of numbers that are no numbers: NaN and the infinities, which YAML can write and JSON cannot. */
export function findNonFinite(
  value: unknown,
  path: readonly (string | number)[] = [],
): (readonly (string | number)[])[] {
  if (typeof value === "number") return Number.isFinite(value) ? [] : [path];
  if (Array.isArray(value)) return value.flatMap((item, index) => findNonFinite(item, [...path, index]));
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => findNonFinite(item, [...path, key]));
}
