import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { mergeValues } from "../../../../../engine/pipeline/compose/compose.ts";

Deno.test("mergeValues() merges maps, replaces lists and values, and removes what is null", () => {
  const base = { a: 1, list: [1, 2, 3], deep: { x: 1, y: { z: 2 } }, gone: 4 };
  const over = { a: 2, list: [9], deep: { y: { w: null, v: 5 } }, gone: null, fresh: { n: null, m: 1 } };
  assertEquals(mergeValues(base, over), { a: 2, list: [9], deep: { x: 1, y: { z: 2, v: 5 } }, fresh: { m: 1 } });
});

Deno.test("mergeValues() keeps nothing of a stage's param with another name, and only there", () => {
  const base = {
    name: "a",
    vars: { name: "mnist", size: 8 },
    stages: {
      name: { uses: "x" },
      s: { with: { sampler: { name: "ddim", steps: 5 }, same: { name: "x", k: 1 } } },
    },
  };
  const over = {
    name: "b",
    vars: { name: "fashion" },
    stages: {
      name: { uses: "y" },
      s: { with: { sampler: { name: "heun", rho: 7 }, same: { name: "x", l: 2 } } },
    },
  };
  assertEquals(mergeValues(base, over), {
    name: "b",
    vars: { name: "fashion", size: 8 },
    stages: {
      name: { uses: "y" },
      s: { with: { sampler: { name: "heun", rho: 7 }, same: { name: "x", k: 1, l: 2 } } },
    },
  });
});

Deno.test("mergeValues() keeps nothing of what a file of one's own, or another one, takes the place of", () => {
  const merged = (base: unknown, over: unknown) => {
    const of = (model: unknown) => ({ stages: { train: { uses: "train", with: { model } } } });
    return (mergeValues(of(base), of(over)) as ReturnType<typeof of>).stages.train.with.model;
  };
  const [builtin, named, own] = [{ channels: 16 }, { name: "ddim", steps: 5 }, { uses: "./a.ts", depth: 6 }];
  for (const base of [builtin, named, own]) assertEquals(merged(base, { uses: "./b.ts" }), { uses: "./b.ts" });
  assertEquals(merged(own, { name: "heun" }), { name: "heun" });
  assertEquals(merged(own, { uses: "./a.ts", width: 2 }), { ...own, width: 2 });
  for (const base of [builtin, named, own]) assertEquals(merged(base, { depth: 7 }), { ...base, depth: 7 });
  // A name without params beside it is a param like any other.
  assertEquals(merged(builtin, { name: "x" }), { channels: 16, name: "x" });
});

Deno.test("mergeValues() leaves the nulls of profiles, which remove when they are laid over the files", () => {
  const base = { profiles: { small: { stages: { score: { with: { a: 1 } } } } } };
  const over = { profiles: { small: { stages: { score: null } }, other: { vars: { x: null } } } };
  assertEquals(mergeValues(base, over), over);
  assertEquals(mergeValues({ vars: { x: 1 } }, { vars: { x: null } }), { vars: {} });
});

Deno.test("mergeValues() changes neither side, and laying nothing over it changes nothing", () => {
  const value = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.jsonValue({ maxDepth: 3 }).filter(hasNoNull));
  fc.assert(fc.property(value, value, (base, over) => {
    const [before, above] = [structuredClone(base), structuredClone(over)];
    mergeValues(base, over);
    assertEquals([base, over], [before, above]);
    assertEquals(mergeValues(base, {}), base);
    assertEquals(mergeValues(base, base), base);
  }));
});

function hasNoNull(value: unknown): boolean {
  return value !== null && (typeof value !== "object" || Object.values(value).every(hasNoNull));
}
