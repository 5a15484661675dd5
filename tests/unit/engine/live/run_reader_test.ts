import { assertEquals } from "@std/assert";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { Site } from "../../../../pages/server/site.ts";
import { MAX_PLANNED, type RunRecord } from "../../../../schemas/records.ts";
import { readFigures, RunReader } from "../../../../engine/live/run_reader.ts";
import { readTail } from "../../../../engine/store/reading.ts";
import { MAX_PREVIEWS } from "../../../../engine/store/runs.ts";
import { newRunId } from "../../../../engine/store/run_ids.ts";
import { key, openFreshStore } from "../support/manifest.ts";
import { makeTempFolder } from "../support/temp.ts";

const START = Date.parse("2026-01-01T00:00:00.000Z");
/** Above the largest pid of Linux. */
const NOBODY = 2 ** 22 + 1;

const at = (minute: number) => new Date(START + minute * 60_000).toISOString();

function record(minute: number, more: Partial<RunRecord> = {}): RunRecord {
  return {
    format: 1,
    runId: newRunId(new Date(at(minute)), more.pid ?? Deno.pid),
    pipeline: "p",
    file: "p.yaml",
    overrides: [],
    status: "running",
    startedAt: at(minute),
    endedAt: more.status === undefined ? null : at(minute + 1),
    pid: Deno.pid,
    host: hostname(),
    versions: {},
    stages: {},
    ...more,
  };
}

const ended = (state: "ran" | "cached" | "failed", result?: string): RunRecord["stages"][string] => ({
  state,
  resolvedKey: result === undefined ? null : key(result),
  startedAt: at(0),
  durationMs: 5,
  perSecond: {},
  figures: state === "ran" ? { loss: { last: 2, lowest: 1, at: 7 } } : {},
  fromStep: null,
  numerics: null,
  device: null,
  message: state === "failed" ? "no" : null,
});

const planned = (id: string, state: string, reads: string[] = [], result?: string) => ({
  ...{ id, kind: "k", reads, state, params: [] },
  result: result === undefined ? null : key(result),
});

const progress = (done: number, more = {}) => ({
  ...{ at: at(2), done, total: 10, unit: "step", perSecond: 2, figures: { loss: { last: 3, lowest: 2, at: 1 } } },
  ...more,
});

Deno.test("RunReader tells runs that are on, ended, were killed, or are of another host, newest first", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  const all = [
    record(0, { host: "elsewhere" }),
    record(1, { status: "done" }),
    record(2, { pid: NOBODY }),
    record(3),
    record(4, { host: "elsewhere" }),
    record(5, { host: "elsewhere", pipeline: "q" }),
  ];
  for (const one of all) store.runs.start(one);
  const reader = new RunReader(store);
  const states = () => reader.readRuns().map(({ state }) => state);
  const expected: ReturnType<typeof states> = ["running", "running", "running", "killed", "done", "killed"];
  assertEquals(states(), expected);
  assertEquals(all.toReversed().map(({ runId }) => reader.readRun(runId)?.state), expected);
  // A record that is damaged, has another name, or is gone is left out; the others stay.
  Deno.writeTextFileSync(join(store.runs.folderOf(all[5]!.runId), "run.json"), '{"format": 1, "runId');
  Deno.mkdirSync(store.runs.folderOf("20260101T000900000-1"));
  Deno.removeSync(store.runs.folderOf(all[1]!.runId), { recursive: true });
  store.runs.write({ ...all[4]!, status: "failed", endedAt: at(6) });
  assertEquals(states(), ["failed", "running", "killed", "killed"]);
  assertEquals(all.map(({ runId }) => reader.readRun(runId)?.state), [
    ...["killed", undefined, "killed", "running", "failed", undefined],
  ]);
  assertEquals([reader.placeOf("20260101T000900000-1", "a"), reader.placeOf("../x", "a")], [undefined, undefined]);
});

Deno.test("RunReader tells stages as planned, at work and as they ended, and follows what is noted", async () => {
  await using folder = await makeTempFolder();
  const { runs, tags } = openFreshStore(folder.path);
  const run = record(1);
  const { runId } = run;
  const stages = [
    planned("a", "cached", [], "A"),
    planned("b", "run", ["a"]),
    { ...planned("c", "run", ["b"]), shards: ["c~1of2", "c~2of2"] },
    planned("d", "may-run", ["c"]),
  ];
  const before = record(0, { status: "done", stages: { A: ended("ran", "A") } });
  runs.start(before, { format: 1, stages: [{ ...planned("A", "run"), sampler: { name: "ddim" } }] });
  runs.keepPreview(before.runId, "A", 20, new Uint8Array(3));
  runs.keepPreview(before.runId, "A", 3, new Uint8Array(3));
  runs.start(run, { format: 1, stages });
  const reader = new RunReader({ runs, tags });
  const look = () => Object.fromEntries(reader.readRuns()[0]!.stages.map((one) => [one.id, one]));
  const states = () => Object.values(look()).map(({ id, state }) => `${id} ${state}`).join(", ");
  assertEquals(states(), "a cached, b run, c run, d may-run");
  // The stage's result was made by another run, under another name.
  assertEquals([look()["a"]!.figures["loss"]!.lowest, look()["a"]!.previews], [1, [3, 20]]);
  assertEquals([look()["a"]!.sampler, look()["b"]!.sampler], [{ name: "ddim" }, undefined]);
  assertEquals(look()["c"]!.reads, ["b"]);

  runs.note(runId, { stage: "b", event: "started", state: "run", at: at(1) });
  runs.writeProgress(runId, "b", progress(4));
  assertEquals([states(), look()["b"]!.progress?.done], ["a cached, b running, c run, d may-run", 4]);
  // By the clock, the remaining three seconds are over.
  assertEquals([look()["b"]!.etaMs, look()["b"]!.figures["loss"]!.last], [0, 3]);

  runs.removeProgress(runId, "b");
  runs.note(runId, { stage: "b", event: "finished", state: "ran", at: at(2), record: ended("ran", "B") });
  runs.note(runId, { stage: "c~2of2", shard: true, event: "started", state: "run", at: at(3) });
  assertEquals([states(), look()["b"]!.result], ["a cached, b ran, c running, d may-run", key("B")]);
  assertEquals(look()["c"]!.startedMs, Date.parse(at(3)));
  // Half of a line is ignored.
  const notes = join(runs.folderOf(runId), "stages.jsonl");
  const half = JSON.stringify({ stage: "c", event: "finished", state: "failed", at: at(4), record: ended("failed") });
  Deno.writeTextFileSync(notes, half.slice(0, 40), { append: true });
  assertEquals(states(), "a cached, b ran, c running, d may-run");
  Deno.writeTextFileSync(notes, `${half.slice(40)}\n`, { append: true });
  assertEquals([states(), look()["c"]!.message], ["a cached, b ran, c failed, d may-run", "no"]);
  runs.writeProgress(runId, "c", progress(3));
  assertEquals([look()["c"]!.progress?.done, look()["c"]!.etaMs], [3, undefined]);

  runs.write({ ...run, status: "failed", endedAt: at(5), stages: { b: ended("ran", "B"), c: ended("failed") } });
  assertEquals(states(), "a cached, b ran, c failed, d blocked");
  tags.write("good", { format: 1, pipeline: "p", overrides: [], results: { a: key("A"), b: key("B") } });
  tags.write("other", { format: 1, pipeline: "p", overrides: [], results: { a: key("A"), b: key("C") } });
  assertEquals(reader.readRuns().map((one) => one.tags), [["good"], []]);
});

Deno.test("the curves of a run that continues others begin where the first of them began", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  // Saved states at steps 20 and 30, each after some steps that were lost; one run of another configuration.
  const parts = [[1, 25], [21, 33], [1, 50], [31, 40]].map(([from, to], i) => {
    const train = { ...ended("ran"), state: "interrupted" as const };
    const run = record(i, i === 3 ? {} : { status: "interrupted", stages: { train } });
    store.runs.start(run, { format: 1, stages: [planned("train", i === 0 ? "run" : "resume")] });
    store.runs.use(run.runId, { results: {}, progress: { train: key(i === 2 ? "other" : "same") } });
    store.runs.note(run.runId, { stage: "train", event: "started", state: "run", at: at(i) });
    store.runs.writeProgress(run.runId, "train", progress(to!));
    const lines = Array.from(
      { length: to! - from! + 1 },
      (_, k) => ({ step: from! + k, at: at(i), figures: { loss: i } }),
    );
    const path = store.runs.figuresPath(run.runId, "train");
    Deno.mkdirSync(dirname(path), { recursive: true });
    Deno.writeTextFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    return run.runId;
  });
  const places = new RunReader(store).earlierPlacesOf(parts[3]!, "train");
  assertEquals(places.map(({ runId }) => runId), [parts[1], parts[0]]);
  const site = new Site({ store: store.root });
  const look = async (id: string) => {
    const { page } = (await site.look(new URL(`http://localhost/run/${id}`)))!;
    return page.curves[0]!.runs[0]!.rows.map(({ step, loss }) => [step, loss]);
  };
  const steps = (from: number, to: number, loss: number) =>
    Array.from({ length: to - from + 1 }, (_, k) => [from + k, loss]);
  assertEquals(await look(parts[3]!), [...steps(1, 20, 0), ...steps(21, 30, 1), ...steps(31, 40, 3)]);
  assertEquals(await look(parts[2]!), steps(1, 50, 2));
});

Deno.test("RunReader shows of a run without a plan what ran, and reads a run that is over once", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  const run = record(0, { status: "done", stages: { old: ended("ran", "A") } });
  store.runs.start(run);
  const reader = new RunReader(store);
  const [first] = reader.readRuns();
  assertEquals(first!.stages.map(({ id, kind, state }) => [id, kind, state]), [["old", "", "ran"]]);
  Deno.writeTextFileSync(join(store.runs.folderOf(run.runId), "stages.jsonl"), "later");
  assertEquals(reader.readRuns()[0]!.stages, first!.stages);
});

Deno.test("readFigures() goes on where it ended, and readTail() begins with a whole line", async () => {
  await using folder = await makeTempFolder();
  const { runs } = openFreshStore(folder.path);
  const { runId } = record(0);
  runs.start(record(0));
  const place = { runs, runId, stage: "m/train" };
  const log = runs.logPath(runId, "m/train");
  assertEquals([readFigures(place), readTail(log, 10)], [{ rows: [], next: 0 }, undefined]);
  const row = (step: number) => ({ step, at: at(0), figures: { loss: 1 / step } });
  for (const step of [1, 2]) runs.addFigures(runId, "m/train", row(step));
  const { rows, next } = readFigures(place);
  assertEquals(rows, [row(1), row(2)]);
  Deno.writeTextFileSync(runs.figuresPath(runId, "m/train"), "torn\n", { append: true });
  runs.addFigures(runId, "m/train", row(3));
  assertEquals(readFigures(place, next).rows, [row(3)]);
  for (const line of ["first", "sécond", "third"]) runs.log(runId, "m/train", line);
  assertEquals([100, 14, 8, 3].map((bytes) => readTail(log, bytes)), [
    ...["first\nsécond\nthird\n", "third\n", "third\n", ""],
  ]);
});

Deno.test("of a run that is larger than any the engine makes only so much is read", async () => {
  await using folder = await makeTempFolder();
  const { runs } = openFreshStore(folder.path);
  const run = record(0);
  runs.start(run, { format: 1, stages: Array.from({ length: MAX_PLANNED + 1 }, (_, i) => planned(`s${i}`, "run")) });
  assertEquals(runs.plan(run.runId), undefined);
  const place = { runs, runId: run.runId, stage: "a" };
  runs.addFigures(run.runId, "a", { step: 1, at: at(0), figures: {} });
  Deno.truncateSync(runs.figuresPath(run.runId, "a"), 1 << 30);
  assertEquals(readFigures(place, 5), { rows: [], next: 5 });
  for (let step = 0; step < MAX_PREVIEWS + 3; step++) runs.keepPreview(run.runId, "a", step, new Uint8Array(1));
  assertEquals([runs.previews(run.runId, "a").length, runs.previews(run.runId, "a")[0]], [MAX_PREVIEWS, 3]);
});
