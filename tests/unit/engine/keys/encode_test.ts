import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { compareCodeUnits, encode } from "../../../../engine/keys/encode.ts";

const text = fc.string({ unit: "binary" }).filter((one) => one.isWellFormed());
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.boolean(),
    fc.constant(null),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    // Digits and punctuation of the encoding itself are the likeliest to collide.
    fc.constantFrom("s1:", "d1;", "a0:", "o0:", "n", "t", "1", "", ":", ";"),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(text, tie("value"), { maxKeys: 4 }),
  ),
})).value;

/** Equality as `encode` defines it: 0 and -0 are one number, map order does not count. */
function sameValue(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((one, i) => sameValue(one, b[i]));
  }
  if (typeof a === "object" && a !== null && typeof b === "object" && b !== null) {
    const [first, second] = [a as Record<string, unknown>, b as Record<string, unknown>];
    const keys = Object.keys(first);
    return keys.length === Object.keys(second).length &&
      keys.every((key) => Object.hasOwn(second, key) && sameValue(first[key], second[key]));
  }
  return a === b;
}

Deno.test("encode() gives two values one text exactly when they are equal", () => {
  fc.assert(fc.property(json, json, (a, b) => assertEquals(encode(a) === encode(b), sameValue(a, b))), {
    numRuns: 2000,
  });
});

Deno.test("encode() gives a value and its copy with reversed maps one text", () => {
  const reverse = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(reverse);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).reverse().map(([key, inner]) => [key, reverse(inner)]));
  };
  fc.assert(fc.property(json, (value) => assertEquals(encode(reverse(value)), encode(value))));
});

Deno.test("encode() separates values that a careless join would mix up", () => {
  const values = [
    1,
    "1",
    [1],
    ["1"],
    { 1: 1 },
    { 1: "1" },
    [[1]],
    [],
    {},
    "",
    null,
    true,
    "true",
    "d1;",
    ["a", "b"],
    [
      "ab",
    ],
    ["a", ["b"]],
    { a: { b: 1 } },
    { a: 1, b: 1 },
    1e21,
    1e-7,
    0.1,
    0.1 + 0.2,
  ];
  assertEquals(new Set(values.map(encode)).size, values.length);
});

Deno.test("encode() leaves out keys whose value is undefined and takes -0 for 0", () => {
  assertEquals(encode({ a: 1, b: undefined }), encode({ a: 1 }));
  assertEquals(encode(-0), encode(0));
});

for (
  const [name, value] of Object.entries({
    NaN: NaN,
    Infinity: Infinity,
    "a function": () => 1,
    "a symbol": Symbol("x"),
    "a bigint": 1n,
    undefined: undefined,
    "undefined in a list": [undefined],
    "a hole in a list": new Array(1),
    "a lone surrogate": "\ud800",
    "a lone surrogate in a key": { "\udc00": 1 },
    "a Date": new Date(0),
    "a Map": new Map(),
    "a typed array": new Uint8Array(1),
    "an instance deep inside": { a: [{ b: new (class Thing {})() }] },
  })
) {
  Deno.test(`encode() throws when it meets ${name}`, () => {
    assertThrows(() => encode(value), TypeError, "Cannot encode");
  });
}

Deno.test("encode() at 5,000 levels tells values apart or throws", () => {
  const nest = (core: unknown) => {
    let value = core;
    for (let level = 0; level < 5_000; level++) value = level % 2 === 0 ? [value] : { a: value };
    return value;
  };
  const texts: string[] = [];
  for (const core of [1, 2]) {
    try {
      texts.push(encode(nest(core)));
    } catch (error) {
      // The stack may overflow first; a throw is not a collision.
      assert(error instanceof RangeError);
    }
  }
  assertEquals(new Set(texts).size, texts.length);
});

Deno.test("compareCodeUnits() orders by code units, whatever the locale", () => {
  assertEquals(["ä", "z", "Z", "a", "é", "10", "9"].sort(compareCodeUnits), ["10", "9", "Z", "a", "z", "ä", "é"]);
  assertNotEquals(["ä", "z"].sort((a, b) => a.localeCompare(b, "de")), ["ä", "z"].sort(compareCodeUnits));
});
