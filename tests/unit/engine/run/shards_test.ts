import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { forecastPlan, totalOf } from "../../../../engine/plan/forecast.ts";
import { resultActions } from "../../../../engine/plan/plan.ts";
import { chooseGarbage } from "../../../../engine/upkeep/policy.ts";
import { takeInventory } from "../../../../engine/upkeep/inventory.ts";
import { contentsOfRun } from "../../../../engine/upkeep/contents.ts";
import { runPipeline } from "../../../../engine/run/run_pipeline.ts";
import { selectStages } from "../../../../engine/pipeline/pipeline.ts";
import { replayStage } from "../../../../engine/upkeep/replay.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { actionsOf, shorterOf } from "../../../../engine/keys/action.ts";
import { slotsOf } from "../../../../engine/plan/wanted_slots.ts";
import { gpuCount } from "../../../../engine/keys/stage.ts";
import { dealt } from "../support/deal_run.ts";
import { loadGood, problemsOf } from "../support/load.ts";
import { digestsOf, endStates, planIn, planned, runIn } from "../support/reach.ts";
import { Lab } from "../support/shared.ts";
import { makeTempFolder } from "../support/temp.ts";
import { timeIn } from "../../../support/clock.ts";

const deal = (more: string, params = "") =>
  `name: p\nstages:\n  s: { uses: source }\n  a: { uses: deal, inputs: { from: s }, with: { count: 9${params} }${more} }\n`;
const SHARDED = deal(", shards: 3, resources: { gpu: 1 }");
const WHOLE = deal("");

Deno.test("a stage in shards is as many stages and one that joins them, with the key and the place of the whole", async () => {
  await using folder = await makeTempFolder();
  const whole = await loadGood(folder.path, SHARDED);
  assertEquals([...whole.stages.keys()], ["s", "a"]);
  const actions = new Map(actionsOf(whole.stages.values()).map((action) => [action.id, action]));
  assertEquals([...actions.keys()], ["s", "a~1of3", "a~2of3", "a~3of3", "a"]);
  const [a, shard] = [actions.get("a")!, actions.get("a~2of3")!];
  assertEquals(a.joins, ["a~1of3", "a~2of3", "a~3of3"]);
  assertEquals([shard.share, shard.stage], [{ index: 1, of: 3 }, a.stage]);
  // Each shard has a third of the work and a card; joining needs neither.
  assertEquals([shard.work.workGflop, a.work.workGflop], [3, undefined]);
  assertEquals([gpuCount(slotsOf(shard)), gpuCount(slotsOf(a))], [1, 0]);
  assertEquals(new Set([shard, a, { work: a.stage }].map(({ work }) => work.likeness)).size, 3);
  assertEquals(selectStages(whole, ["a"]).stages, ["a"]);
  assertEquals(selectStages(whole, ["a~2of3"]).problems.map(({ message }) => message), [
    'pipeline "p" has no stage "a~2of3"',
  ]);
  // With one shard, the stage is not divided.
  const one = await loadGood(folder.path, deal(", shards: 1"));
  assertEquals(actionsOf(one.stages.values()).map(({ id }) => id), ["s", "a"]);
});

Deno.test("every extent and every child of a matrix has shards, which continue those of the shorter one", async () => {
  await using folder = await makeTempFolder();
  const yaml = `name: p
stages:
  a: { uses: deal, matrix: { text: [x, y] }, with: { text: "\${matrix.text}", count: 6 }, shards: 2 }
  m: { uses: mix, inputs: { from: [a~text=x@4, a~text=x, a~text=y] } }
`;
  const actions = actionsOf((await loadGood(folder.path, yaml)).stages.values());
  const shards = ["a~text=x", "a~text=x@4", "a~text=y"].flatMap((id) => [`${id}~1of2`, `${id}~2of2`]);
  assertEquals(actions.map(({ id }) => id).filter((id) => id.includes("of2")).sort(), shards.sort());
  assertEquals(Object.fromEntries(shorterOf(actions)), {
    "a~text=x": "a~text=x@4",
    "a~text=x~1of2": "a~text=x@4~1of2",
    "a~text=x~2of2": "a~text=x@4~2of2",
  });
  assertEquals((await runIn(folder.path, yaml)).status, "done");
});

Deno.test("shards are refused where they mean nothing, at their place", async () => {
  const yaml =
    "name: p\nstages:\n  a: { uses: source, shards: 3 }\n  b: { uses: deal, shards: 0 }\n  c: { uses: deal, shards: 1025 }\n";
  const found = (await problemsOf(yaml)).map(({ message, got, wanted, fix, span }) =>
    [message, got, wanted, fix, span && yaml.slice(span.start, span.start + 6)].filter((one) => one !== undefined)
  );
  assertEquals(found, [
    ['stage "a": source cannot be computed in shards', "remove shards", "shards"],
    ["stages.b.shards is not valid", "0", "at least 1", "raise shards to at least 1", "0 }\n  "],
    ["stages.c.shards is not valid", "1025", "at most 1024", "lower shards to at most 1024", "1025 }"],
  ]);
});

Deno.test("the joined result has the bytes and the key of the whole, so that neither runs after the other", async () => {
  await using folder = await makeTempFolder();
  await using other = await makeTempFolder();
  const sharded = await runIn(folder.path, SHARDED);
  assertEquals(endStates(sharded), "a: ran, a~1of3: ran, a~2of3: ran, a~3of3: ran, s: ran");
  assertEquals(sharded.counts.ran, 2);
  const whole = await runIn(other.path, WHOLE);
  assertEquals(digestsOf(sharded), digestsOf(whole));
  assertEquals(sharded.stages.get("a")!.manifest!.resolvedKey, whole.stages.get("a")!.manifest!.resolvedKey);
  for (
    const [path, yaml] of [[folder.path, WHOLE], [other.path, SHARDED], [folder.path, deal(", shards: 5")]] as const
  ) {
    assertEquals(planned(await planIn(path, yaml)), "s: cached, a: cached");
    assertEquals((await runIn(path, yaml)).runId, undefined);
  }
  // Outputs of shards are not shown to the user.
  assertEquals([...Deno.readDirSync(join(folder.path, "outputs/p"))].map(({ name }) => name).sort(), ["a", "s"]);
});

Deno.test("what one shard has done is not done again when another one fails, and a force means all", async () => {
  await using folder = await makeTempFolder();
  const failed = await runIn(folder.path, deal(", shards: 3", ", fail: 2"), { keepGoing: true });
  assertEquals(endStates(failed), "a: blocked, a~1of3: ran, a~2of3: failed, a~3of3: ran, s: ran");
  assertEquals([failed.counts.failed, failed.counts.blocked, failed.counts.ran], [1, 1, 1]);
  const plan = await planIn(folder.path, deal(", shards: 3"));
  assertEquals(planned(plan), "s: cached, a~1of3: cached, a~2of3: run (new), a~3of3: cached, a: run (new)");
  dealt.length = 0;
  await runIn(folder.path, deal(", shards: 3"));
  assertEquals(dealt, ["a: 2 of 3", "a: 3 parts"]);
  dealt.length = 0;
  await runIn(folder.path, deal(", shards: 3"), { force: new Set(["a"]) });
  assertEquals(dealt.sort(), ["a: 1 of 3", "a: 2 of 3", "a: 3 of 3", "a: 3 parts"]);
});

Deno.test("where bytes turn out to make a result serve, its shards do not run", async () => {
  await using folder = await makeTempFolder();
  const yaml = (text: string) =>
    `name: p\nstages:\n  s: { uses: source, with: { text: ${text} } }\n` +
    "  a: { uses: deal, inputs: { from: s }, shards: 2 }\n";
  // Both texts give the same byte: see tiny_run.ts.
  await runIn(folder.path, yaml("moda"));
  const plan = await planIn(folder.path, yaml("modc"));
  assertEquals([...plan].map(([id, { state }]) => `${id}: ${state}`), [
    "s: run",
    "a~1of2: may-run",
    "a~2of2: may-run",
    "a: may-run",
  ]);
  dealt.length = 0;
  const run = await runIn(folder.path, yaml("modc"));
  assertEquals([run.status, run.stages.get("a")!.state, dealt], ["done", "cached", []]);
  assertEquals(run.counts.cached, 1);
});

Deno.test("a damaged result is joined again, of parts that are looked at too", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, SHARDED);
  const damage = (id: string, port: string, run: Awaited<ReturnType<typeof runIn>>) => {
    const { sha256 } = run.actions.get(id)!.manifest!.outputs[port]!.files[0]!;
    const path = join(folder.path, ".noiseline/objects", sha256.slice(0, 2), sha256);
    Deno.chmodSync(path, 0o644);
    const bytes = Deno.readFileSync(path);
    bytes[bytes.length - 1]! ^= 1;
    Deno.writeFileSync(path, bytes);
  };
  const forced = await runIn(folder.path, SHARDED, { force: new Set(["a"]) });
  damage("a", "out", forced);
  damage("a~3of3", "part", forced);
  Deno.removeSync(join(folder.path, "outputs"), { recursive: true });
  dealt.length = 0;
  const healed = await runIn(folder.path, SHARDED);
  assertEquals(healed.status, "done");
  assertEquals(dealt, ["a: 3 of 3", "a: 3 parts"]);
  assertEquals(digestsOf(healed), digestsOf(forced));
});

Deno.test("a shared cache serves the joined result, and parts where there is none", async () => {
  await using lab = await Lab.open();
  const run = (machine: string, yaml: string) =>
    runIn(lab.machine(machine), yaml, { cache: lab.cache(), keepGoing: true });
  await run("one", deal(", shards: 3", ", fail: 2"));
  dealt.length = 0;
  await run("two", SHARDED);
  assertEquals(dealt, ["a: 2 of 3", "a: 3 parts"]);
  dealt.length = 0;
  const third = await run("three", SHARDED);
  assertEquals([third.status, third.stages.get("a")!.state, dealt], ["done", "restored", []]);
  assertEquals(lab.warnings, []);
});

Deno.test("what is joined cannot be replayed, and a force compares its bytes", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, SHARDED);
  const store = openStore(join(folder.path, ".noiseline"));
  const replayed = await replayStage(await loadGood(folder.path, SHARDED), store, "a");
  assert(!replayed.ok);
  assertEquals(replayed.diagnostics.map(({ message, fix }) => [message, fix]), [[
    '"a" is joined of 3 shards, and has no saved states of its own',
    `to execute them again and compare the bytes: deno task run ${join(folder.path, "p.yaml")} --force a`,
  ]]);
});

Deno.test("gc lets parts go that are joined, a run is what it made, and forecasts are of the whole", async () => {
  await using folder = await makeTempFolder();
  const run = await runIn(folder.path, SHARDED);
  const store = openStore(join(folder.path, ".noiseline"));
  const keyOf = (id: string) => run.actions.get(id)!.manifest!.resolvedKey;
  const garbage = () => {
    const policy = { nowMs: timeIn({ days: 11 }), olderThanMs: 1, maxBytes: Infinity, keepRuns: 10, graceMs: 0 };
    return [...chooseGarbage(takeInventory(store, { unused: true }), policy).results.keys()].sort();
  };
  assertEquals(garbage(), ["a~1of3", "a~2of3", "a~3of3"].map(keyOf).sort());
  const contents = contentsOfRun(store.runs.read(run.runId!)!, store);
  assert(contents.ok);
  assertEquals(contents.value.results, { s: keyOf("s"), a: keyOf("a") });

  // Parts of an unfinished stage are kept by the run that made them.
  const cut = await runIn(folder.path, deal(", shards: 2", ", text: b, fail: 2"), { keepGoing: true });
  const part = cut.actions.get("a~1of2")!.manifest!.resolvedKey;
  assert(!garbage().includes(part));

  const pipeline = await loadGood(folder.path, deal(", shards: 3", ", text: c"));
  const actions = await planIn(folder.path, deal(", shards: 3", ", text: c"));
  const plan = { pipeline, actions, stages: resultActions(actions), problems: [] };
  const forecasts = forecastPlan(plan, store);
  const times = ["a~1of3", "a~2of3", "a~3of3", "a"].map((id) => forecasts.get(id)!);
  const msOf = (one: typeof times[number]) => one.known ? one.durationMs : NaN;
  const shards = times.slice(0, 3).map(msOf).reduce((sum, ms) => sum + ms, 0);
  assert(msOf(times[3]!) >= shards && shards > 0);
  // Side by side, shards take as long as one shard and the joining.
  const { atLeastMs, unknown } = totalOf(plan, forecasts, { jobs: 3, cpus: 3, gpus: 3 });
  assertEquals(unknown, []);
  const longest = Math.max(...times.slice(0, 3).map(msOf));
  assert(Math.abs(atLeastMs - (longest + msOf(times[3]!) - shards)) < 1e-6, `${atLeastMs}`);
});

Deno.test("a shard can be run by itself where somebody else joins, as a job of a cluster does", async () => {
  await using lab = await Lab.open();
  const cache = () => lab.cache();
  await runIn(lab.machine("one"), WHOLE, { cache: cache(), targets: ["s"] });
  // A job executes the shard and nothing of what joins the shards.
  const alone = async (machine: string, id: string) => {
    const folder = lab.machine(machine);
    const store = openStore(join(folder, ".noiseline"));
    const run = await runPipeline(await loadGood(folder, SHARDED), store, { cache: cache(), targets: [id] });
    assert(run.ok && run.value.status === "done", id);
    return run.value.stages;
  };
  for (const part of [1, 2, 3]) {
    const ends = await alone(`node${part}`, `a~${part}of3`);
    assertEquals([...ends].map(([id, { state }]) => `${id}: ${state}`), ["s: restored", `a~${part}of3: ran`]);
  }
  dealt.length = 0;
  const joined = await runIn(lab.machine("last"), SHARDED, { cache: cache(), targets: ["a"] });
  assertEquals(dealt, ["a: 3 parts"]);
  await using folder = await makeTempFolder();
  assertEquals(digestsOf(joined), digestsOf(await runIn(folder.path, WHOLE)));
});
