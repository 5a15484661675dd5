import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { replayStage } from "../../../../engine/upkeep/replay.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { loadGood } from "../support/load.ts";
import { runIn } from "../support/reach.ts";
import { makeTempFolder } from "../support/temp.ts";
import { machine } from "../support/tiny_kinds.ts";

const YAML = `name: p
stages:
  a: { uses: source, with: { text: one } }
  walk: { uses: walk, inputs: { from: a }, with: { steps: 6 } }
`;
const SHORTER = ["walk.steps=3"];

async function replay(folder: string, id: string, yaml = YAML) {
  const notes: string[] = [];
  const store = openStore(join(folder, ".noiseline"));
  const result = await replayStage(await loadGood(folder, yaml), store, id, {
    emit: (event) => event.type === "stage-note" && notes.push(event.message),
  });
  assertEquals([...Deno.readDirSync(store.paths.tmp)], []);
  return { result, notes, store };
}

Deno.test("replayStage() executes a stage from its earlier state, gets the same bytes and changes nothing", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, YAML, { set: SHORTER });
  await runIn(folder.path, YAML);
  const runs = [...Deno.readDirSync(join(folder.path, ".noiseline/runs"))].length;
  const { result, notes, store } = await replay(folder.path, "walk");
  assert(result.ok, JSON.stringify(result));
  const { fromStep, extent, outcome, ports } = result.value;
  assertEquals([fromStep, extent, outcome], [3, 6, { status: "complete" }]);
  assertEquals(ports.map(({ port, recorded, replayed }) => [port, recorded === replayed]), [["out", true]]);
  assertEquals(notes, ["from 3"]);
  assertEquals([...Deno.readDirSync(join(store.root, "runs"))].length, runs);
});

Deno.test("replayStage() finds other bytes, and the recorded result stays", async () => {
  await using folder = await makeTempFolder();
  const short = await runIn(folder.path, YAML, { set: SHORTER });
  const long = await runIn(folder.path, YAML);
  const store = openStore(join(folder.path, ".noiseline"));
  // As if the walk to six had once ended like the walk to three.
  const recorded = { ...long.stages.get("walk")!.manifest!, outputs: short.stages.get("walk")!.manifest!.outputs };
  await store.results.publish(recorded);
  const { result } = await replay(folder.path, "walk");
  assert(result.ok);
  const [port] = result.value.ports;
  assertEquals(port!.recorded, recorded.outputs["out"]!.digest);
  assertEquals(port!.replayed, long.stages.get("walk")!.manifest!.outputs["out"]!.digest);
  assert(port!.recorded !== port!.replayed);
  assertEquals(store.results.readManifest(recorded.resolvedKey), recorded);
});

Deno.test("replayStage() says why it cannot: no result, no earlier state, a damaged one, a damaged input", async () => {
  await using folder = await makeTempFolder();
  const says = async (id: string, text: string) => {
    const { result } = await replay(folder.path, id);
    assert(!result.ok);
    assertStringIncludes(result.diagnostics[0]!.message, text);
  };
  await says("walk", '"walk" has no result yet');
  const { stages } = await runIn(folder.path, YAML);
  await says("walk", '"walk" has no saved state from before its end at step 6');
  await says("a", '"a" has no saved state from before its end');
  await runIn(folder.path, YAML, { set: SHORTER });
  const store = openStore(join(folder.path, ".noiseline"));
  const [state] = [...walkFiles(store.paths.progress)].filter((path) => path.endsWith("step-3/state.txt"));
  const good = Deno.readFileSync(state!);
  Deno.writeFileSync(state!, good.map((byte) => byte ^ 1));
  await says("walk", "no saved state from before its end at step 6");
  Deno.writeFileSync(state!, good);
  const [entry] = stages.get("a")!.manifest!.outputs["out"]!.files;
  Deno.chmodSync(store.objects.pathOf(entry!.sha256), 0o644);
  Deno.writeTextFileSync(store.objects.pathOf(entry!.sha256), "x".repeat(entry!.size));
  await says("walk", 'a.out, which "walk" reads, is damaged');
});

Deno.test("replayStage() does not compare what other numerics computed", async () => {
  await using folder = await makeTempFolder();
  const yaml = "name: p\nstages:\n  c: { uses: compute, with: { steps: 6 } }\n";
  machine.devices = { fast: { numerics: "n1" } };
  await runIn(folder.path, yaml, { set: ["c.steps=3"] });
  await runIn(folder.path, yaml);
  assert((await replay(folder.path, "c", yaml)).result.ok);
  machine.devices = { fast: { numerics: "n2" } };
  const { result } = await replay(folder.path, "c", yaml);
  assert(!result.ok);
  assertStringIncludes(result.diagnostics[0]!.message, "was computed on n1, and would be on n2 now");
});

function* walkFiles(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* walkFiles(join(folder, name));
    else yield join(folder, name);
  }
}
