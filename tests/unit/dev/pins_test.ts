import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { digestModules } from "../../../dev/kinds/module_digest.ts";
import { comparePins, type KindPins, updatePins } from "../../../dev/kinds/pins.ts";
import { readTree } from "../../../dev/layers/module_graph.ts";
import { makeTree } from "./tree.ts";

const PINS: KindPins = { train: { version: 2, code: "aa", sameBytes: ["renamed"] } };
const all = { kinds: new Set(["train", "sample"]), reason: undefined };

Deno.test("comparePins() says to raise the version or to give a reason when code changed within a version", () => {
  assertEquals(comparePins(PINS, { train: { version: 2, code: "aa" } }), []);
  const [problem] = comparePins(PINS, { train: { version: 2, code: "bb" } });
  assertStringIncludes(problem!, "raise version in stages/train/kind.ts, add a line to CHANGELOG.md");
  assertStringIncludes(problem!, 'dev/pin_kinds.ts train --same-bytes "why"');
});

Deno.test("comparePins() names what to raise when what custom stages may use changed", () => {
  const [problem] = comparePins({ "stage-api": { version: 2, code: "aa", sameBytes: [] } }, {
    "stage-api": { version: 2, code: "bb" },
  });
  assertStringIncludes(problem!, "raise API_VERSION in engine/process/code_digest.ts");
});

Deno.test("comparePins() reports new, gone, raised and lowered kinds", () => {
  assertStringIncludes(comparePins({}, { train: { version: 1, code: "aa" } })[0]!, "not pinned yet");
  assertStringIncludes(comparePins(PINS, {})[0]!, "is pinned but gone");
  assertStringIncludes(comparePins(PINS, { train: { version: 3, code: "bb" } })[0]!, "the pin has 2");
  assertStringIncludes(comparePins(PINS, { train: { version: 1, code: "bb" } })[0]!, "Versions only rise");
});

Deno.test("updatePins() drops old reasons when the version rises and keeps what did not change", () => {
  assertEquals(updatePins(PINS, { train: { version: 3, code: "bb" } }, all), {
    pins: { train: { version: 3, code: "bb", sameBytes: [] } },
  });
  assertEquals(updatePins(PINS, { train: { version: 2, code: "aa" } }, all), { pins: PINS });
});

Deno.test("updatePins() takes a change within a version only for named kinds and with a reason", () => {
  const facts = { train: { version: 2, code: "bb" } };
  assert("problems" in updatePins(PINS, facts, all));
  assert("problems" in updatePins(PINS, facts, { kinds: new Set(["sample"]), reason: "moved" }));
  assertEquals(updatePins(PINS, facts, { kinds: new Set(["train"]), reason: "moved" }), {
    pins: { train: { version: 2, code: "bb", sameBytes: ["renamed", "moved"] } },
  });
});

Deno.test("digestModules() changes with code and package versions, not with comments, types and layout", async () => {
  const base = {
    "run.ts": 'import { a } from "./a.ts";\nimport type { T } from "./t.ts";\nimport "zod";\nexport default a as T;\n',
    "a.ts": "export const a = 1;\n",
    "t.ts": "export type T = number;\n",
  };
  const digest = async (files: Record<string, string>, zod = "npm:zod@1") => {
    await using tree = await makeTree({ ...base, ...files }, { zod });
    return await digestModules(tree.root, ["run.ts"], await readTree(tree.root));
  };
  const first = await digest({});
  assertEquals(await digest({ "a.ts": "// One.\nexport const a = 1; // 1\n\n" }), first);
  assertEquals(await digest({ "a.ts": "export const a: number = (\n  1\n);\n" }), first);
  assertEquals(await digest({ "t.ts": "export type T = string;\n" }), first);
  assertNotEquals(await digest({ "a.ts": "export const a = 2;\n" }), first);
  assertNotEquals(
    await digest({ "a.ts": 'export const a = "// 1";\n' }),
    await digest({ "a.ts": 'export const a = "// 2";\n' }),
  );
  assertNotEquals(await digest({}, "npm:zod@2"), first);
});
