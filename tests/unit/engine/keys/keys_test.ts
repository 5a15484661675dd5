import { assertEquals, assertNotEquals } from "@std/assert";
import {
  artifactDigest,
  identityKeyOf,
  keyParams,
  type LocalIngredients,
  recipeKeyOf,
  resolvedKeyOf,
} from "../../../../engine/keys/keys.ts";
import { extentParam } from "../../../../engine/keys/stage.ts";
import { fromBuiltin } from "../../../../engine/pipeline/load/kinds.ts";
import type { Ingredients } from "../../../../schemas/records.ts";
import { TINY_KINDS } from "../support/tiny_kinds.ts";

const source = fromBuiltin(TINY_KINDS["source"]!);
const walk = fromBuiltin(TINY_KINDS["walk"]!);

const sha = (letter: string) => letter.repeat(64);
const ingredients: Ingredients = {
  kind: "walk",
  version: "walk/1",
  seed: 7,
  params: { text: "a", steps: 100 },
  externals: { file: sha("e") },
  inputs: { from: [sha("a")] },
};
const { inputs: _inputs, ...local }: Ingredients = ingredients;

function resolved({ inputs, ...own }: Ingredients): string {
  return resolvedKeyOf(recipeKeyOf(own, {}).localKey, inputs);
}

Deno.test("keyParams() leaves execution params and paths of externals out", () => {
  const params = { text: "a", fail: true, note: "hi", file: "/data/a.bin", added: 4 };
  assertEquals(keyParams(source, params), { text: "a", added: 4 });
});

Deno.test("keyParams() leaves a param out exactly when it equals its legacy value", () => {
  assertEquals(keyParams(source, { text: "a", added: 3 }), { text: "a" });
  assertEquals(keyParams(source, { text: "a", added: 0 }), { text: "a", added: 0 });
  assertEquals(keyParams(source, { text: "a", added: "3" }), { text: "a", added: "3" });
});

const CHANGES: Record<string, Partial<Ingredients>> = {
  kind: { kind: "other" },
  version: { version: "walk/2" },
  seed: { seed: 8 },
  "no seed": { seed: null },
  params: { params: { text: "b", steps: 100 } },
  externals: { externals: { file: sha("f") } },
};

for (const [name, change] of Object.entries(CHANGES)) {
  Deno.test(`every key changes when ${name} changes`, () => {
    const changed = { ...ingredients, ...change };
    assertNotEquals(resolved(changed), resolved(ingredients));
    assertNotEquals(identityKeyOf(changed, extentParam(walk)), identityKeyOf(ingredients, extentParam(walk)));
    const { localKey, recipeKey } = recipeKeyOf({ ...local, ...change }, {});
    assertNotEquals(localKey, recipeKeyOf(local, {}).localKey);
    assertNotEquals(recipeKey, recipeKeyOf(local, {}).recipeKey);
  });
}

Deno.test("resolvedKeyOf() changes when the digest, the port or the order of an input changes", () => {
  const variants: Ingredients["inputs"][] = [
    { from: [sha("a")] },
    { from: [sha("b")] },
    { other: [sha("a")] },
    { from: [sha("a"), sha("b")] },
    { from: [sha("b"), sha("a")] },
    {},
    { from: [] },
  ];
  const keys = variants.map((inputs) => resolved({ ...ingredients, inputs }));
  assertEquals(new Set(keys).size, variants.length);
});

Deno.test("resolvedKeyOf() does not depend on the order of params", () => {
  const params = { steps: 100, text: "a" };
  assertEquals(resolved({ ...ingredients, params }), resolved(ingredients));
});

Deno.test("the extent is in the resolved key and not in the identity key", () => {
  const longer = { ...ingredients, params: { text: "a", steps: 200 } };
  assertNotEquals(resolved(longer), resolved(ingredients));
  assertEquals(identityKeyOf(longer, extentParam(walk)), identityKeyOf(ingredients, extentParam(walk)));
});

Deno.test("identityKeyOf() is never the resolved key, also for kinds without an extent", () => {
  assertNotEquals(identityKeyOf(ingredients, extentParam(source)), resolved(ingredients));
});

Deno.test("recipeKeyOf() changes when an upstream recipe, its port or the own port changes", () => {
  const keys = [
    { from: [`${sha("a")}.out`] },
    { from: [`${sha("b")}.out`] },
    { from: [`${sha("a")}.log`] },
    { to: [`${sha("a")}.out`] },
    { from: [`${sha("a")}.out`, `${sha("b")}.out`] },
    {},
  ].map((upstream) => recipeKeyOf(local, upstream).recipeKey);
  assertEquals(new Set(keys).size, keys.length);
});

Deno.test("artifactDigest() is of names, sizes, content and type, not of the order of files", () => {
  const a = { path: "a.txt", size: 1, sha256: sha("1") };
  const b = { path: "b/c.txt", size: 2, sha256: sha("2") };
  assertEquals(artifactDigest("files", [a, b]), artifactDigest("files", [b, a]));
  const others = [
    artifactDigest("files", [a, b]),
    artifactDigest("log", [a, b]),
    artifactDigest("files", [a]),
    artifactDigest("files", [a, { ...b, path: "b.txt" }]),
    artifactDigest("files", [a, { ...b, size: 3 }]),
    artifactDigest("files", [a, { ...b, sha256: sha("3") }]),
  ];
  assertEquals(new Set(others).size, others.length);
});

/** A change here invalidates every result in every user's store. It needs a line in CHANGELOG.md. */
const GOLDEN_FILE = new URL("../../../golden/keys.json", import.meta.url);

Deno.test("keys are the ones that are pinned in tests/golden/keys.json", async () => {
  const upstream = { from: [`${sha("b")}.out`] };
  const awkward: LocalIngredients = {
    ...local,
    seed: null,
    params: { "": null, "ü": "ÿ😀", list: [1e-7, -0, 1e21, [true, false], {}], map: { b: 1, a: "1" } },
  };
  const keys: Record<string, string> = {
    resolved: resolved(ingredients),
    identity: identityKeyOf(ingredients, extentParam(walk)),
    ...recipeKeyOf(local, upstream),
    awkward: recipeKeyOf(awkward, {}).recipeKey,
    artifact: artifactDigest("images", [{ path: "a/b.bin", size: 3, sha256: sha("c") }]),
  };
  const golden = JSON.parse(await Deno.readTextFile(GOLDEN_FILE)) as { note: string; keys: Record<string, string> };
  assertEquals(keys, golden.keys, golden.note);
});
