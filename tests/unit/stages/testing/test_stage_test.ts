import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { defineStage, externalFile, type StageDefinition, withDevice } from "noiseline/engine";
import { testStage } from "noiseline/testing";
import { z } from "zod";

const stage = defineStage({
  summary: "Uses all of the context",
  params: z.strictObject({ word: z.string().default("default"), file: externalFile(z.string().optional()) }),
  inputs: {
    one: { type: "files", description: "" },
    maybe: { type: "files", description: "", optional: true },
    many: { type: "files", description: "", list: true },
  },
  outputs: { out: { type: "files", description: "" } },
  seeded: true,
  async run({ params, seed, inputs, outputs, progress, note, stop }) {
    if (stop.aborted) return { status: "interrupted", step: 3 };
    await progress.save(2, { state: new Uint8Array([7]) });
    const saved = await progress.latest();
    const many = await Promise.all(inputs.many.map((one) => one.readText("a")));
    note(`${inputs.maybe === undefined ? "without" : "with"} maybe`);
    const state = await saved!.read("state");
    await outputs.out.write("deep/er.txt", [params.word, seed, ...many, ...state].join(" "));
    await outputs.out.write("bytes", await inputs.one.read("b/c"));
    return undefined;
  },
});

Deno.test("testStage() refuses what a pipeline refuses, and keeps the newest two states", async () => {
  const writes = (name: string) => ({
    summary: "Writes one file",
    params: z.strictObject({}),
    inputs: {},
    outputs: { out: { type: "files", description: "" } },
    run: async ({ outputs }) => await outputs.out.write(name, ""),
  } satisfies StageDefinition<z.ZodObject, Record<never, never>, { out: { type: "files"; description: string } }>);
  for (const name of ["../x", "/x", "a/../x", "a\\b", ""]) {
    await assertRejects(() => testStage(writes(name), { inputs: {} }), Error, "without . or ..", name);
  }
  const saves = defineStage({
    ...writes("x"),
    run: async ({ progress }) => {
      for (const step of [1, 2, 3]) await progress.save(step, { state: new Uint8Array([step]) });
      assertEquals((await progress.latest())?.step, 3);
      assertThrows(() => progress.save(4, { "../state": new Uint8Array() }), Error, "relative path");
    },
  });
  assertEquals((await testStage(saves, { inputs: {} })).end, undefined);
});

Deno.test("testStage() gives a stage with a device what its params name", async () => {
  const stage = defineStage({
    summary: "Says what it computes on",
    params: z.strictObject({}),
    inputs: {},
    outputs: { out: { type: "files", description: "" } },
    device: true,
    run: async (context) => await withDevice(context, ({ name }) => context.outputs.out.write("name", name)),
  });
  const { outputs } = await testStage(stage, { inputs: {}, device: "wasm" });
  assertEquals(outputs.out.text("name"), "wasm");
});

const inputs = { one: { "b/c": new Uint8Array([1, 2]) }, many: [{ a: "x" }, { a: "y" }] };

Deno.test("testStage() gives a stage all that it gets in a pipeline, and what it wrote to the test", async () => {
  const { end, outputs, notes } = await testStage(stage, { inputs, seed: 5 });
  assertEquals([end, notes], [undefined, ["without maybe"]]);
  assertEquals(outputs.out.files, ["bytes", "deep/er.txt"]);
  assertEquals(outputs.out.text("deep/er.txt"), "default 5 x y 7");
  assertEquals(outputs.out.bytes("bytes"), new Uint8Array([1, 2]));
  assertThrows(() => outputs.out.text("nope"), RangeError, 'no file "nope": it wrote bytes, deep/er.txt');
});

Deno.test("testStage() tells how a stage ended, and throws what it throws", async () => {
  const { end } = await testStage(stage, { inputs, stop: AbortSignal.abort() });
  assertEquals(end, { status: "interrupted", step: 3 });
  await assertRejects(() => testStage(stage, { inputs: { ...inputs, many: [{}] } }), RangeError, 'no file "a"');
  const wrong = { word: 5 } as unknown as { word: string };
  await assertRejects(() => testStage(stage, { inputs, params: wrong }), z.ZodError);
});
