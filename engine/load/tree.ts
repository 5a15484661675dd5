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
