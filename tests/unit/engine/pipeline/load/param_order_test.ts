import { assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { z } from "zod";
import { defineKind } from "../../../../../engine/contract/stage.ts";
import { keysOfActions } from "../../../../../engine/keys/keys.ts";
import { actionsOf } from "../../../../../engine/keys/action.ts";
import { loadPipeline } from "../../../../../engine/pipeline/load/load_pipeline.ts";
import { makeTempFolder } from "../../support/temp.ts";

/** A kind whose schema keeps the order of keys in a record and of unknown keys. */
const keeper = defineKind({
  kind: "keeper",
  summary: "Keep what it is given",
  version: 1,
  runs: "inline",
  entry: import.meta.url,
  params: z.strictObject({
    b: z.record(z.string(), z.unknown()),
    a: z.looseObject({ last: z.int(), first: z.int() }),
  }),
  inputs: {},
  outputs: { out: { type: "files", description: "anything" } },
});

/** Returns the value with the keys of all its maps in reverse order. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).reverse().map(([name, item]) => [name, turned(item)]));
}

Deno.test("params that differ in the order of keys alone have one key, and reach the stage in one order", async () => {
  await using folder = await makeTempFolder();
  const load = async (params: unknown) => {
    const file = join(folder.path, `${crypto.randomUUID()}.yaml`);
    await Deno.writeTextFile(file, JSON.stringify({ name: "p", stages: { a: { uses: "keeper", with: params } } }));
    const loaded = await loadPipeline(file, { kinds: { keeper } });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics.map(({ message, got }) => [message, got])));
    const { params: seen } = loaded.value.stages.get("a")!;
    const keys = keysOfActions(actionsOf(loaded.value.stages.values()), new Map([["a", {}]]));
    return { seen: JSON.stringify(seen), key: keys.get("a")!.recipeKey };
  };
  const name = fc.stringMatching(/^[a-zA-Z][a-z]{0,3}$/);
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.integer(),
      fc.stringMatching(/^[a-z]{0,4}$/),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(name, tie("value"), { maxKeys: 4 }),
    ),
  }));
  const more = fc.dictionary(name, value, { maxKeys: 4 });
  const property = fc.asyncProperty(more, more, async (b, loose) => {
    const params = { b, a: { ...loose, last: 1, first: 2 } };
    const [here, there] = [await load(params), await load(turned(params))];
    assertEquals(there, here);
    // The order of a list matters, and so does each value.
    const other = await load({ ...params, b: { ...b, more: [1, 2] } });
    assertNotEquals(other.key, (await load({ ...params, b: { ...b, more: [2, 1] } })).key);
  });
  await fc.assert(property, { numRuns: 60 });
  // Params that the schema names have the schema's order.
  const { seen } = await load({ a: { first: 2, z: 1, last: 1, c: 1 }, b: { y: 1, x: { q: 1, p: 2 } } });
  assertEquals(seen, '{"b":{"x":{"p":2,"q":1},"y":1},"a":{"last":1,"first":2,"c":1,"z":1}}');
});
