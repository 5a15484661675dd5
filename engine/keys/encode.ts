/**
 * Returns the canonical text of a value, for hashing. Types are tagged and lengths are written out, so that no two
 * different values share a text: 1, "1", [1] and {"1":1} all differ. The order of keys does not count; a key with the
 * value undefined counts as absent. Nothing is cut off at any depth: a value that is too deep for the call stack
 * throws, and so does one without a faithful text (NaN, functions, class instances).
 */
export function encode(value: unknown): string {
  switch (typeof value) {
    case "string":
      // Hashing turns every lone surrogate into the same replacement character.
      if (!value.isWellFormed()) throw new TypeError("Cannot encode a text with lone surrogates in a cache key");
      return `s${value.length}:${value}`;
    case "boolean":
      return value ? "t" : "f";
    case "number":
      if (!Number.isFinite(value)) throw new TypeError(`Cannot encode ${value} in a cache key`);
      // Shortest round-trip form; -0 and 0 are one number to every user.
      return `d${value === 0 ? "0" : String(value)};`;
    case "object":
      if (value === null) return "n";
      if (Array.isArray(value)) return `a${value.length}:${Array.from(value, encode).join("")}`;
      if (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null) {
        return encodeMap(value as Record<string, unknown>);
      }
      throw new TypeError(`Cannot encode a ${value.constructor?.name ?? "strange object"} in a cache key`);
    default:
      throw new TypeError(`Cannot encode a ${typeof value} in a cache key`);
  }
}

function encodeMap(map: Record<string, unknown>): string {
  let count = 0;
  let text = "";
  // Without a compare function, sort() orders by code units.
  for (const key of Object.keys(map).sort()) {
    const value = map[key];
    if (value === undefined) continue;
    count++;
    text += encode(key) + encode(value);
  }
  return `o${count}:${text}`;
}

/** Compares two texts by code units: an order without a locale, the same on every machine. */
export function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
