import type { Plan } from "../../../../engine/plan/plan.ts";
import { assertEquals } from "@std/assert";
import { hostname } from "node:os";
import type { RunRecord } from "../../../../schemas/records.ts";
import { etaLeft, RunReader } from "../../../../engine/live/run_reader.ts";
import { until } from "../../../support/until.ts";
import { openFreshStore } from "../support/manifest.ts";
import { makeTempFolder } from "../support/temp.ts";
import { newRunId } from "../../../../engine/store/run_ids.ts";
import { ProgressWriter, RateMeter } from "../../../../engine/run/progress_reporting.ts";

const START = Date.parse("2026-01-01T00:00:00.000Z");

function record(minute: number, more: Partial<RunRecord> = {}): RunRecord {
  const at = new Date(START + minute * 60_000);
  return {
    format: 1,
    runId: newRunId(at, more.pid ?? Deno.pid),
    pipeline: "p",
    file: "p.yaml",
    overrides: [],
    status: "running",
    startedAt: at.toISOString(),
    endedAt: null,
    pid: Deno.pid,
    host: hostname(),
    versions: {},
    stages: {},
    ...more,
  };
}

Deno.test("RunReader.find() finds the stages at work, how far they are and the time that is left", async () => {
  await using folder = await makeTempFolder();
  const { runs, ...store } = openFreshStore(folder.path);
  const [old, other, dead, live] = [
    record(0, { status: "done" }),
    record(1, { pipeline: "q" }),
    // Above the largest pid of Linux.
    record(2, { pid: 2 ** 22 + 1 }),
    record(3),
  ];
  for (const one of [old, other, dead, live]) runs.start(one);
  const at = new Date(START).toISOString();
  const note = (stage: string, event: "started" | "finished") =>
    runs.note(live.runId, { stage, event, state: "run", at });
  note("a", "started");
  note("a", "finished");
  note("b", "started");
  note("c", "started");
  runs.writeProgress(live.runId, "b", { at, done: 1200, total: 5000, unit: "step", perSecond: 10, figures: {} });

  const found = new RunReader({ ...store, runs }).find("p");
  assertEquals(found.running.map(({ runId }) => runId), [live.runId]);
  assertEquals(found.last?.runId, old.runId);
  assertEquals([...found.stages].map(([id, { progress }]) => [id, progress?.done]), [["b", 1200], ["c", undefined]]);
  // Stages of a plan that another configuration computes are not at work.
  const planOf = (key: string) => ({
    pipeline: { name: "p" },
    actions: new Map(["b", "c"].map((id) => [id, { keys: { identityKey: key } }])),
  } as unknown as Plan);
  runs.use(live.runId, { progress: { b: "1".repeat(64) } });
  const atWork = (key: string) => [...new RunReader({ ...store, runs }).findPlanned(planOf(key.repeat(64))).keys()];
  assertEquals([atWork("1"), atWork("2")], [["b", "c"], ["c"]]);
  // 3800 steps at 10/s are 380 s; 5 of them have passed.
  const { progress } = found.stages.get("b")!;
  assertEquals([5_000, 999_000].map((ms) => etaLeft(progress, START + ms)), [375_000, 0]);
  assertEquals([...found.stages.values()].map(({ etaMs }) => etaMs), [0, undefined]);
  // A torn file counts as if nothing had been reported.
  const [file] = [...Deno.readDirSync(runs.folderOf(live.runId))].filter(({ name }) => name.endsWith(".live.json"));
  await Deno.writeTextFile(`${runs.folderOf(live.runId)}/${file!.name}`, '{"at": "2026');
  assertEquals(new RunReader({ ...store, runs }).find("p").stages.get("b")!.progress, undefined);
});

Deno.test("RunReader.find() finds a long run although a later one has ended, and of other hosts what is newer than that", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  const all = [
    record(0, { status: "done" }),
    record(1, { host: "elsewhere" }),
    // Above the largest pid of Linux.
    record(2, { pid: 2 ** 22 + 1 }),
    record(3),
    record(4, { status: "done" }),
    record(5, { host: "elsewhere" }),
  ];
  for (const one of all) store.runs.start(one);
  for (const minute of [3, 5]) {
    const note = { stage: `s${minute}`, event: "started", state: "run", at: all[minute]!.startedAt } as const;
    store.runs.note(all[minute]!.runId, note);
  }
  const { running, stages, last } = new RunReader(store).find("p");
  assertEquals([running.map(({ runId }) => runId), last?.runId], [[all[5]!.runId, all[3]!.runId], all[4]!.runId]);
  assertEquals([...stages.keys()], ["s3", "s5"]);
});

Deno.test("ProgressWriter tells the newest at most once a second, nothing of what ends before, and where a stage stopped", async () => {
  await using folder = await makeTempFolder();
  const { runs } = openFreshStore(folder.path);
  const run = record(0);
  runs.start(run);
  const told = () => runs.lastProgress(run.runId, "a");
  const update = (done: number) => ({ done, total: 9, unit: "step" });
  const writes: number[] = [];
  const counting: ConstructorParameters<typeof ProgressWriter>[0] = {
    writeProgress: (runId, stage, progress) => {
      writes.push(progress.done);
      runs.writeProgress(runId, stage, progress);
    },
    removeProgress: (runId, stage) => runs.removeProgress(runId, stage),
    addFigures: (runId, stage, row) => runs.addFigures(runId, stage, row),
  };
  {
    using quick = new ProgressWriter(counting, run.runId, "a", new RateMeter());
    for (let done = 0; done < 5; done++) quick.note(update(done));
  }
  assertEquals([writes, told()], [[], undefined]);
  {
    using slow = new ProgressWriter(counting, run.runId, "a", new RateMeter());
    for (let done = 0; done < 5; done++) slow.note(update(done));
    await until("word of progress", () => told() !== undefined);
    assertEquals([writes, told()!.done, told()!.total, told()!.unit], [[4], 4, 9, "step"]);
    slow.note(update(5));
  }
  // It stopped on its way, and so it stays.
  assertEquals([writes.at(-1), told()!.done, told()!.total], [5, 5, 9]);
  {
    using whole = new ProgressWriter(counting, run.runId, "a", new RateMeter());
    whole.note(update(9));
    await until("word of the last step", () => told()!.done === 9);
  }
  assertEquals(told(), undefined);
  assertEquals([...Deno.readDirSync(runs.folderOf(run.runId))].map(({ name }) => name).sort(), ["logs", "run.json"]);
});
