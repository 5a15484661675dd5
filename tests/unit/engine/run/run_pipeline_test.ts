import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async";
import { join } from "node:path";
import type { Diagnostic } from "../../../../engine/diagnostic/diagnostic.ts";
import type { Outlook } from "../../../../engine/plan/forecast.ts";
import { machineClass } from "../../../../engine/process/machine.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { endStates, planIn, refusalOf, runIn } from "../support/reach.ts";
import { executorOfJobs } from "../../../../engine/cluster/executors.ts";
import type { Executor } from "../../../../engine/run/executor.ts";
import { makeTempFolder } from "../support/temp.ts";
import { holds } from "../support/tiny_run.ts";
import { setForward } from "../../../support/clock.ts";

const YAML = `name: p
stages:
  a: { uses: source, with: { text: modx } }
  b: { uses: mix, inputs: { one: a } }
  bad: { uses: source, with: { text: bad, fail: true } }
  after: { uses: mix, inputs: { one: bad } }
`;

const GOOD = YAML.replace("fail: true", "fail: false");

Deno.test("a run reaches every stage, and running again does nothing and records nothing", async () => {
  await using folder = await makeTempFolder();
  const first = await runIn(folder.path, GOOD);
  assertEquals(endStates(first), "a: ran, after: ran, b: ran, bad: ran");
  assertEquals(first.status, "done");
  const second = await runIn(folder.path, GOOD);
  assertEquals(endStates(second), "a: cached, after: cached, b: cached, bad: cached");
  assertEquals([second.status, second.runId], ["done", undefined]);
  assertEquals(second.events.map(({ type }) => type), ["run-finished"]);
  assertEquals([...Deno.readDirSync(join(folder.path, ".noiseline/runs"))].length, 1);
});

Deno.test("the same bytes upstream leave a stage cached that might have run", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, GOOD);
  // Both texts hash to the same bit; the test would fail if the fixture changed.
  const second = await runIn(folder.path, GOOD.replace("modx", "modz"));
  assertEquals(endStates(second), "a: ran, after: cached, b: cached, bad: cached");
});

Deno.test("a failure ends the run, blocks what follows and records nothing of it", async () => {
  await using folder = await makeTempFolder();
  const run = await runIn(folder.path, YAML, { keepGoing: true });
  assertEquals(run.status, "failed");
  assertEquals(endStates(run), "a: ran, after: blocked, b: ran, bad: failed");
  const failed = run.events.find((event) => event.type === "stage-finished" && event.id === "bad");
  assert(failed?.type === "stage-finished");
  assertEquals([failed.message, failed.fix], ["told to fail", "set fail to false"]);
  assertEquals([...Deno.readDirSync(join(folder.path, ".noiseline/tmp"))], []);
  assertEquals(endStates(await runIn(folder.path, GOOD)), "a: cached, after: ran, b: cached, bad: ran");
});

Deno.test("a run is no better than what ended elsewhere, in its status, counts and record", async () => {
  await using folder = await makeTempFolder();
  const ended = new Map([["bad", "failed"], ["after", "blocked"]] as const);
  const executor: Executor = { ended, open: (planned, name, here) => here.open(planned, name, here) };
  const first = await runIn(folder.path, YAML, { targets: ["b"], executor });
  const { ran, failed, blocked } = first.counts;
  assertEquals([first.status, ran, failed, blocked], ["failed", 2, 1, 1]);
  const { runs } = openStore(join(folder.path, ".noiseline"));
  assertEquals(runs.read(first.runId!)?.status, "failed");
  const again = await runIn(folder.path, YAML, { targets: ["b"], executor });
  assertEquals([again.status, again.runId, again.counts.failed], ["failed", undefined, 1]);
});

Deno.test("where jobs have carried out the actions, what has no result fails without a start", async () => {
  await using folder = await makeTempFolder();
  const executor = executorOfJobs(new Map(), "run it there again");
  const run = await runIn(folder.path, YAML, { targets: ["b"], executor });
  assertEquals([run.status, endStates(run)], ["failed", "a: failed, b: blocked"]);
  const { message, fix } = run.stages.get("a")!;
  assertEquals([message, fix], [
    "its result in the shared cache is damaged, and nothing is computed here",
    "run it there again",
  ]);
  assertEquals(run.events.filter(({ type }) => type === "stage-started"), []);
});

Deno.test("without keep-going what reads a failed stage is blocked", async () => {
  await using folder = await makeTempFolder();
  const yaml = "name: p\nstages:\n  bad: { uses: source, with: { fail: true } }\n" +
    "  b: { uses: mix, inputs: { one: bad } }\n";
  const run = await runIn(folder.path, yaml);
  assertEquals([run.status, endStates(run)], ["failed", "b: blocked, bad: failed"]);
});

Deno.test("nothing starts after a stage that wrote nothing, also while gc has the store", async () => {
  await using folder = await makeTempFolder();
  const cpu = navigator.hardwareConcurrency;
  const yaml = `name: p
stages:
  empty: { uses: source, with: { text: nothing }, resources: { cpu: ${cpu} } }
  next: { uses: source, with: { text: next }, resources: { cpu: ${cpu} } }
`;
  const { promise, resolve } = Promise.withResolvers<void>();
  holds.set("nothing", promise);
  const gc = Promise.withResolvers<Disposable>();
  const emit = async ({ type }: { readonly type: string }) => {
    if (type !== "stage-started") return;
    gc.resolve(await openStore(join(folder.path, ".noiseline")).guards.acquireExclusiveGcLock());
    resolve();
  };
  const running = runIn(folder.path, yaml, { jobs: 2, emit: (event) => void emit(event) });
  const alone = await gc.promise;
  await delay(50);
  alone[Symbol.dispose]();
  assertEquals(endStates(await running), "empty: failed, next: blocked");
});

Deno.test("a run that is stopped before it begins starts nothing and is interrupted", async () => {
  await using folder = await makeTempFolder();
  const run = await runIn(folder.path, GOOD, { stop: AbortSignal.abort() });
  assertEquals(run.status, "interrupted");
  assertEquals(run.counts.blocked, 4);
  const stop = new AbortController();
  const agree = () => {
    stop.abort();
    return Promise.resolve([{ severity: "error", code: "check", message: "no" } as const]);
  };
  assertEquals((await runIn(folder.path, GOOD, { agree, stop: stop.signal })).status, "interrupted");
  assertEquals((await runIn(folder.path, GOOD)).status, "done");
});

Deno.test("a run that waits for gc says so, and can be stopped while it waits", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, GOOD);
  const stop = new AbortController();
  {
    using _gc = await openStore(join(folder.path, ".noiseline")).guards.acquireExclusiveGcLock();
    const run = await runIn(folder.path, GOOD.replace("modx", "other"), {
      stop: stop.signal,
      emit: ({ type }) => void (type === "note" && stop.abort()),
    });
    assertEquals([run.status, run.counts.blocked, run.counts.ran], ["interrupted", 2, 0]);
    const [note] = run.events;
    assert(note?.type === "note");
    assertEquals(note.message, "waiting for another part of this process, which has locked the store");
  }
  assertEquals((await runIn(folder.path, GOOD.replace("modx", "other"))).status, "done");
});

Deno.test("a record that gives another stage's recipe as its own is not served for that stage", async () => {
  await using folder = await makeTempFolder();
  const yaml = "name: p\nstages:\n  a: { uses: source, with: { text: long } }\n" +
    "  b: { uses: mix, inputs: { one: a } }\n  c: { uses: mix, inputs: { one: a }, with: { text: other } }\n";
  const first = await runIn(folder.path, yaml);
  const [b, c] = ["b", "c"].map((id) => first.stages.get(id)!.manifest!);
  assertNotEquals(b!.outputs, c!.outputs);
  openStore(join(folder.path, ".noiseline")).results.addRecipe(b!.recipeKey, c!);
  const again = await runIn(folder.path, yaml, { targets: ["b"] });
  assertEquals(again.stages.get("b")!.manifest!.outputs, b!.outputs);
  assertEquals(again.counts.ran, 0);
});

Deno.test("a cache folder that was removed comes back with a run that has nothing to do", async () => {
  await using folder = await makeTempFolder();
  const cache = join(folder.path, ".noiseline/cache");
  await runIn(folder.path, GOOD);
  await Deno.remove(cache, { recursive: true });
  assertEquals((await runIn(folder.path, GOOD)).counts.cached, 4);
  assertEquals(Deno.statSync(cache).isDirectory, true);
});

Deno.test("a damaged object upstream is named, made again and not built upon", async () => {
  await using folder = await makeTempFolder();
  const { stages } = await runIn(folder.path, GOOD, { targets: ["a"] });
  const { sha256 } = stages.get("a")!.manifest!.outputs["out"]!.files[0]!;
  const object = join(folder.path, ".noiseline/objects", sha256.slice(0, 2), sha256);
  const text = await Deno.readTextFile(object);
  await Deno.chmod(object, 0o644);
  await Deno.writeTextFile(object, text.replaceAll(/./g, "9"));
  const run = await runIn(folder.path, GOOD, { targets: ["b"] });
  assertEquals(run.status, "done");
  const notes = run.events.flatMap((event) => event.type === "stage-note" ? [event.message] : []);
  assertStringIncludes(notes.join("\n"), "out/value.txt is damaged in the store");
  assertEquals(await Deno.readTextFile(object), text);
});

Deno.test("two runs of one pipeline at once compute each stage once", async () => {
  await using folder = await makeTempFolder();
  await planIn(folder.path, GOOD);
  const runs = await Promise.all([runIn(folder.path, GOOD), runIn(folder.path, GOOD)]);
  assertEquals(runs.map(({ status }) => status), ["done", "done"]);
  for (const id of ["a", "b", "bad", "after"]) {
    assertEquals(runs.filter(({ stages }) => stages.get(id)!.state === "ran").length, 1, id);
  }
});

Deno.test("force runs again, finds the same bytes and keeps the first result", async () => {
  await using folder = await makeTempFolder();
  const first = await runIn(folder.path, GOOD);
  const forced = await runIn(folder.path, GOOD, { force: new Set(["a"]) });
  assertEquals(endStates(forced), "a: ran, after: cached, b: cached, bad: cached");
  assertEquals(forced.stages.get("a")!.manifest!.outputs, first.stages.get("a")!.manifest!.outputs);
});

Deno.test("a stage's time does not hold what it waited for a slot", async () => {
  await using folder = await makeTempFolder();
  const yaml = "name: p\nstages:\n  slow: { uses: walk, with: { steps: 3 } }\n  quick: { uses: source }\n";
  const times: Record<string, number> = {};
  using clocks = new DisposableStack();
  const run = await runIn(folder.path, yaml, {
    jobs: 1,
    emit: (event) => {
      // An hour passes while the stage has the only slot and the other one waits.
      if (event.type === "stage-note" && event.id === "slow") clocks.use(setForward(3_600_000));
      if (event.type === "stage-finished") times[event.id] = event.durationMs;
    },
  });
  const store = openStore(join(folder.path, ".noiseline"));
  const { stages } = store.runs.read(run.runId!)!;
  assertEquals(Object.fromEntries(Object.entries(stages).map(([id, { durationMs }]) => [id, durationMs])), times);
  assert(times["quick"]! < times["slow"]!, JSON.stringify(times));
  const forecasts = Object.fromEntries(store.timings.all().map(({ stage, durationMs }) => [stage, durationMs]));
  assert(forecasts["quick"]! < forecasts["slow"]!, JSON.stringify(forecasts));
});

Deno.test("what a run takes is told before it starts, and not of a run that has nothing to do", async () => {
  await using folder = await makeTempFolder();
  const told: Outlook[] = [];
  const tell = (problems: readonly Diagnostic[]) => (outlook: Outlook) => {
    told.push(outlook);
    return Promise.resolve(problems);
  };
  const problem: Diagnostic = { severity: "error", code: "check", message: "no" };
  assertEquals(await refusalOf(folder.path, GOOD, { agree: tell([problem]) }), [problem]);
  const store = openStore(join(folder.path, ".noiseline"));
  assertEquals([[...store.runs.newestFirst()], store.timings.all()], [[], []]);
  // A day and an hour, for something that really took a moment.
  store.timings.add({
    pipeline: "p",
    stage: "a",
    kind: "source",
    numerics: null,
    machine: machineClass(),
    workGflop: null,
    workShape: null,
    likeness: null,
    extent: null,
    fromStep: null,
    overheadMs: null,
    probe: false,
    durationMs: 25 * 3_600_000,
  });
  await runIn(folder.path, GOOD, { agree: tell([]) });
  assertEquals(told.map(({ long }) => long?.stages.map(({ id }) => id)), [undefined, ["a", "bad"]]);
  await runIn(folder.path, GOOD, { agree: tell([problem]) });
  assertEquals(told.length, 2);
});
