import { assertEquals, assertNotEquals } from "@std/assert";
import { join } from "node:path";
import { runPipeline } from "../../../../engine/run/run_pipeline.ts";
import { PipelineLoader } from "../../../../engine/pipeline/load/pipeline_loader.ts";
import { Planner } from "../../../../engine/plan/planner.ts";
import { Grants } from "../../../../engine/run/rights.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { loadGood } from "../support/load.ts";
import { setVariable } from "../../../support/own_process.ts";
import { filesBelow, makeTempFolder } from "../support/temp.ts";
import { TINY_KINDS } from "../support/tiny_kinds.ts";

const NAME = "NOISELINE_TEST_DECLARED";
const ONE = "the first secret";
const TWO = "the second secret";

const YAML = "name: p\nstages:\n  a: { uses: ./stage.ts }\n";
/** A stage that writes the length of the variable, so that no file of the store has a reason to contain its value. */
const STAGE = `import { defineStage } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Measures a variable",
  params: z.strictObject({}),
  inputs: {},
  outputs: { out: { type: "files", description: "" } },
  permissions: { env: ["${NAME}"] },
  run: ({ outputs }) => outputs.out.write("value.txt", String(Deno.env.get("${NAME}")?.length)),
});
`;

Deno.test("a stage runs again when a variable that it declares changes, and the store keeps no value in clear", async () => {
  await using folder = await makeTempFolder();
  await Deno.writeTextFile(join(folder.path, "stage.ts"), STAGE);
  const pipeline = await loadGood(folder.path, YAML);
  const store = openStore(join(folder.path, ".noiseline"));
  const grants = new Grants(folder.path, join(folder.path, "grants.json"));
  const run = async (word: string | undefined) => {
    setVariable(NAME, word);
    const result = await runPipeline(pipeline, store, { grants, askForGrants: () => Promise.resolve(true) });
    const written = await Deno.readTextFile(join(folder.path, "outputs/p/a/value.txt"));
    return [result.ok ? result.value.stages.get("a")?.state : "refused", written];
  };
  try {
    assertEquals(await run(ONE), ["ran", "16"]);
    assertEquals(await run(TWO), ["ran", "17"]);
    assertEquals(await run(ONE), ["restored", "16"]);
    assertEquals(await run(undefined), ["ran", "undefined"]);
    assertEquals(await run(undefined), ["cached", "undefined"]);
  } finally {
    setVariable(NAME, undefined);
  }
  const telling = filesBelow(join(folder.path, ".noiseline")).filter((path) => {
    const text = Deno.readTextFileSync(path);
    return text.includes(ONE) || text.includes(TWO);
  });
  assertEquals(telling, []);
});

Deno.test("a pipeline that is known without loading it still knows that a declared variable has changed", async () => {
  await using folder = await makeTempFolder();
  await Deno.writeTextFile(join(folder.path, "stage.ts"), STAGE);
  await Deno.writeTextFile(join(folder.path, "p.yaml"), YAML);
  await Deno.mkdir(join(folder.path, "cache"));
  const look = () =>
    new PipelineLoader(join(folder.path, "p.yaml"), {
      loadKinds: () => Promise.resolve(TINY_KINDS),
      keptFolder: join(folder.path, "cache"),
      toolkit: { digest: "toolkit 1", settled: true },
    });
  const now = Date.now;
  try {
    const cache = look();
    // Code is identified by its content only if its files were left alone for a while before.
    Date.now = () => now() + 60_000;
    assertEquals((await cache.load()).ok, true);
    cache.keep();
    const keyNow = async () => {
      const pipeline = await look().read();
      const planner = Planner.make(pipeline!, openStore(join(folder.path, ".noiseline")));
      if (!planner.ok) throw new Error("It must plan");
      return planner.value.planAction("a").recipeKey;
    };
    setVariable(NAME, ONE);
    const one = await keyNow();
    setVariable(NAME, TWO);
    assertNotEquals(await keyNow(), one);
    setVariable(NAME, undefined);
    assertNotEquals(await keyNow(), one);
    setVariable(NAME, ONE);
    assertEquals(await keyNow(), one);
  } finally {
    Date.now = now;
    setVariable(NAME, undefined);
  }
});
