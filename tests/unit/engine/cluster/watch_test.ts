import { assertEquals, assertStringIncludes } from "@std/assert";
import type { EngineEvent } from "../../../../engine/run/events.ts";
import type { SubmittedPipeline } from "../../../../engine/cluster/submit.ts";
import { watchJobs } from "../../../../engine/cluster/watch.ts";
import { RunStore } from "../../../../engine/store/runs.ts";
import { PaperLab } from "./support/paper_lab.ts";

const CHAIN = `name: demo
stages:
  a: { uses: source, with: { text: a } }
  b: { uses: mix, inputs: { one: a } }
  c: { uses: mix, inputs: { one: b }, with: { text: c } }
`;

const UNSEEN = "before it wrote to the cache: does that node see";

/** Watches while a script of changes proceeds, with one change before each pause; time passes by the pauses. */
async function watch(lab: PaperLab, submitted: SubmittedPipeline, changes: readonly (() => unknown)[] = []) {
  const events: EngineEvent[] = [];
  const stop = new AbortController();
  const [left, pauses] = [[...changes], [] as number[]];
  let now = 0;
  const end = await watchJobs(submitted, {
    ...lab.context,
    emit: (event) => events.push(event),
    stop: stop.signal,
    now: () => now,
    pause: async (ms) => {
      pauses.push(ms);
      now += ms;
      await left.shift()?.();
      if (pauses.length > 500) stop.abort();
    },
  });
  const told = events.map((event) => {
    switch (event.type) {
      case "queue-changed":
        return `${event.running} run; ${
          Object.entries(event.waiting).map(([why, ids]) => `${ids.join()}: ${why}`).join("; ")
        }`;
      case "stage-started":
        return `${event.id} on ${event.where}`;
      case "stage-finished":
        return [event.id, event.state, event.message ?? ""].join(" ").trim();
      case "stage-progress":
        return `${event.id} ${event.update.done}/${event.update.total} ${event.perSecond} ${
          event.update.figures!["loss"]
        }`;
      default:
        return event.type;
    }
  });
  return { ended: Object.fromEntries(end.ended), lost: end.lost, told, events, pauses };
}

Deno.test("waiting with its reason, running and how far, done: the queue is asked ever more seldom", async () => {
  await using lab = await PaperLab.open();
  const submitted = await lab.submitted(CHAIN);
  const { submission } = submitted.own!;
  const finish = async (id: string, line: number, job: string) => {
    await lab.compute(CHAIN, [id]);
    const cached = lab.openCache();
    const { recipeKey } = submitted.tracked.find((one) => one.id === id)!;
    await cached.find([{ stage: id, recipeKey, resolvedKey: undefined, judge: () => undefined }]);
    lab.end(submission, line, job, { resolvedKey: cached.knownByRecipe(recipeKey)!.resolvedKey });
    lab.queue.set(job, "done");
  };
  const runs = new RunStore(submission.runsOf(0));
  lab.queue.polls = 0;
  const { told, ended, pauses } = await watch(lab, submitted, [
    () => {
      lab.queue.set("1", "running");
      Deno.mkdirSync(runs.folderOf("20260101T000000000-1"), { recursive: true });
      const loss = { last: 3, lowest: 2, at: 1 };
      runs.writeProgress("20260101T000000000-1", "a", {
        at: "",
        done: 3,
        total: 4,
        unit: "step",
        perSecond: 2,
        figures: { loss },
      });
    },
    () => finish("a", 0, "1"),
    () => finish("b", 1, "2"),
    () => finish("c", 2, "3"),
  ]);
  assertEquals(told, [
    "0 run; a,b,c: others come first",
    "a on job 1 on n1",
    "a 3/4 2 3",
    "1 run; b,c: others come first",
    "a ran",
    "0 run; b,c: others come first",
    "b ran",
    "0 run; c: others come first",
    "c ran",
  ]);
  assertEquals(ended, { a: "ran", b: "ran", c: "ran" });
  assertEquals([pauses, lab.queue.polls], [[2000, 2000, 2000, 2000], 3]);
});

Deno.test("a failed stage is told with its words and log, and what reads it is blocked", async () => {
  await using lab = await PaperLab.open();
  const submitted = await lab.submitted(CHAIN);
  const { submission } = submitted.own!;
  lab.end(submission, 0, "1", { state: "failed", message: "loss is NaN", fix: "lower learningRate" });
  lab.queue.set("1", "failed");
  for (const id of ["2", "3"]) lab.queue.set(id, "cancelled");
  const runs = new RunStore(submission.runsOf(0));
  Deno.mkdirSync(runs.folderOf("20260101T000000000-1"), { recursive: true });
  const { told, events } = await watch(lab, submitted);
  assertEquals(told, ["a failed loss is NaN", "b blocked", "c blocked"]);
  const [first] = events as [EngineEvent & { type: "stage-finished" }];
  assertEquals([first.fix, first.log], ["lower learningRate", runs.logPath("20260101T000000000-1", "a")]);
});

Deno.test("a silent queue changes nothing and is told once; a job that is cancelled is told at once", async () => {
  await using lab = await PaperLab.open();
  const submitted = await lab.submitted(CHAIN);
  lab.said.length = 0;
  const { told, events } = await watch(lab, submitted, [
    () => lab.queue.silent = 3,
    ...Array(40).fill(() => {}),
    () => {
      for (const id of ["1", "2", "3"]) lab.queue.set(id, "cancelled");
    },
  ]);
  assertEquals(lab.said, ["the queue does not answer (timed out); jobs go on without it"]);
  assertEquals(told[0], "0 run; a,b,c: others come first");
  assertEquals(told.slice(-3), ["a failed its job 1 was cancelled (by somebody)", "b blocked", "c blocked"]);
  const { cancelled, durationMs, fix } = events.find((event) => event.type === "stage-finished")!;
  assertEquals([cancelled, durationMs, fix], [true, 30_000, "run again with --on"]);
});

Deno.test("a job that is gone without a trace is lost, but not before what it left had time to be seen", async () => {
  await using lab = await PaperLab.open();
  const submitted = await lab.submitted(CHAIN);
  lab.queue.forget("1");
  const { lost, told, pauses } = await watch(lab, submitted);
  assertEquals([lost, told.some((line) => line.startsWith("a"))], [true, false]);
  assertEquals(pauses.reduce((sum, ms) => sum + ms, 0) >= 60_000, true);
  assertStringIncludes(lab.said.at(-1)!, "a: its job is gone without a trace");

  // The job's result arrived late.
  const { ended } = await watch(lab, { ...submitted, tracked: submitted.tracked.slice(0, 1) }, [
    ...Array(10).fill(() => {}),
    () => lab.compute(CHAIN, ["a"]),
  ]);
  assertEquals(ended, { a: "ran" });
});

Deno.test("a job that ended badly without a word is a failure that says how it ended", async () => {
  await using lab = await PaperLab.open();
  const submitted = await lab.submitted(CHAIN);
  lab.queue.set("1", "timeout");
  const { told } = await watch(lab, submitted);
  assertEquals(told.includes(`a failed its job 1 ended (TIMEOUT) on n1 ${UNSEEN} ${lab.cache}?`), true);
});

Deno.test("of a job that left no record the end of its output is told, also of the child of an array", async () => {
  const arrays = `name: demo
stages:
  a: { uses: source, with: { text: "\${matrix.x}" }, matrix: { x: [p, q] } }
`;
  for (const [yaml, job] of [[CHAIN, "1"], [arrays, "1_1"]] as const) {
    for (const elsewhere of [false, true]) {
      await using lab = await PaperLab.open();
      if (elsewhere) lab.settings = { logs: `${lab.cache}.logs` };
      const submitted = await lab.submitted(yaml);
      const path = submitted.own!.submission.outputPath("0", job.split("_")[1]);
      assertEquals(path.startsWith(elsewhere ? `${lab.cache}.logs/` : `${lab.cache}/cluster/`), true);
      const { log, array, script } = lab.queue.requests.get("1")!;
      assertEquals(log, undefined);
      assertStringIncludes(script, `exec >> '${path.replace(array === undefined ? "" : /\.1$/, "")}'`);
      const lines = Array.from({ length: 2_000 }, (_, i) => `line ${i}`);
      Deno.writeTextFileSync(path, `${lines.join("\n")}\nerror: Cannot use the submission\n  fix: mount it\n\n`);
      lab.queue.set(job, "failed");
      const { told } = await watch(lab, submitted);
      const word = told.find((line) => line.includes(" failed "))!;
      assertStringIncludes(
        word,
        ` failed its job ${job} ended (FAILED) on n1 and left no record; ${path} ends:\nline 1994\n`,
      );
      assertStringIncludes(word, "\nline 1999\nerror: Cannot use the submission\n  fix: mount it");
      assertEquals(word.includes("line 1993"), false);
    }
  }
});

Deno.test("what a failure cancelled is blocked, also where it is not seen yet; what somebody cancelled is not", async () => {
  await using lab = await PaperLab.open();
  const submitted = await lab.submitted(CHAIN);
  lab.queue.set("1", "failed");
  for (const id of ["2", "3"]) lab.queue.set(id, "cancelled");
  const { told, events } = await watch(lab, submitted);
  const word = `its job 1 ended (FAILED) on n1 ${UNSEEN} ${lab.cache}?`;
  assertEquals(told.slice(-3), [`a failed ${word}`, "b blocked", "c blocked"]);
  const failed = events.find((event) => event.type === "stage-finished");
  assertEquals([failed?.durationMs, failed?.cancelled], [30_000, undefined]);

  await using other = await PaperLab.open();
  const going = await other.submitted(CHAIN);
  other.queue.set("1", "running");
  for (const id of ["2", "3"]) other.queue.set(id, "cancelled");
  const { ended } = await watch(other, going, [...Array(20).fill(() => {}), () => other.queue.set("1", "cancelled")]);
  assertEquals(ended, { a: "failed", b: "failed", c: "blocked" });
});

Deno.test("a job that reaches its time limit and is queued again is told once, with its saved step", async () => {
  await using lab = await PaperLab.open();
  const submitted = await lab.submitted(CHAIN);
  const { submission } = submitted.own!;
  lab.said.length = 0;
  lab.end(submission, 0, "1", { state: "again", message: "time limit reached", toStep: 7 });
  await watch(lab, submitted, [...Array(3).fill(() => {}), () => lab.queue.cancel(["1", "2", "3"])]);
  assertEquals(lab.said, ["a: time limit reached; saved at step 7, queued again"]);
});

Deno.test("what the queue had no room for is submitted while somebody looks on, where no job will", async () => {
  await using lab = await PaperLab.open();
  lab.queue.trouble = () => ({ trouble: "full", message: "no more" });
  const submitted = await lab.submitted(CHAIN);
  assertEquals([submitted.own!.queued.stuck, lab.queue.requests.size], [true, 0]);
  const { told } = await watch(lab, submitted, [() => {}, () => void (lab.queue.trouble = () => undefined)]);
  assertEquals(lab.queue.told(), ["1 0", "2 1 after 1", "3 2 after 2"]);
  assertEquals(told[1], "0 run; a,b,c: others come first");
});

const SWEEP = `name: demo
stages:
  a: { uses: source }
  b: { uses: mix, inputs: { one: a }, matrix: { text: [x, y, z] }, with: { text: "\${matrix.text}" } }
`;

Deno.test("a waiting child that the queue forgets while it knows others of its array was cancelled, and is not queued again", async () => {
  await using lab = await PaperLab.open();
  const submitted = await lab.submitted(SWEEP);
  lab.queue.forget("2_1");
  const { ended, lost, events } = await watch(lab, submitted, [
    ...Array(60).fill(() => {}),
    () => lab.queue.cancel(["1", "2"]),
  ]);
  assertEquals([lost, lab.queue.requests.size], [false, 2]);
  assertEquals(ended["b~text=y"], "failed");
  const told = events.find((event) => event.type === "stage-finished" && event.id === "b~text=y");
  assertEquals(told?.type === "stage-finished" && told.message, "its job 2_1 was cancelled (by somebody)");

  // Submitting the rest also leaves this child alone, but queues again a child that started and left no end record.
  await using other = await PaperLab.open();
  const going = await other.submitted(SWEEP);
  other.queue.forget("2_1");
  other.queue.forget("2_2");
  const { submission } = going.own!;
  const [, second, third] = submission.head.parts[1]!.lines;
  const start = submission.attemptPath({ line: third!, job: "2_2", attempt: 0 }, "start");
  Deno.writeTextFileSync(start, JSON.stringify({ fromStep: 0 }));
  const { standings } = await other.goOn(going);
  assertEquals([standings.get(second!)!.state, standings.get(third!)!], ["blocked", { state: "queued", job: "3_2" }]);
  assertEquals(other.queue.told(2), ["3[2] 1 after 1"]);
});

Deno.test("jobs that are held are named with what lets them go, once", async () => {
  await using lab = await PaperLab.open();
  const submitted = await lab.submitted(SWEEP);
  lab.said.length = 0;
  const hold = (...held: string[]) => {
    lab.queue.jobs = lab.queue.jobs.map((job) =>
      held.includes(job.id) ? { ...job, reason: "held, as it could not be started", release: "scontrol release" } : job
    );
  };
  hold("1");
  await watch(lab, submitted, [
    ...Array(3).fill(() => {}),
    () => hold("2_0", "2_2"),
    ...Array(60).fill(() => {}),
    () => lab.queue.cancel(["1", "2"]),
  ]);
  assertEquals(lab.said, [
    "a: its job is held, as it could not be started; `scontrol release 1` lets it go",
    "2 jobs are held, as it could not be started; `scontrol release 2_0,2_2` lets them go",
  ]);
});

Deno.test("an attempt that lives wins over the end of an earlier one; without one the queue confirms a failure soon", async () => {
  await using lab = await PaperLab.open();
  const submitted = await lab.submitted(CHAIN);
  const { submission } = submitted.own!;
  lab.queue.set("1", "running");
  lab.end(submission, 0, "1", { state: "failed", message: "it was ended by SIGTERM" });
  const begin = () => {
    const start = submission.attemptPath({ line: 0, job: "1", attempt: 1 }, "start");
    Deno.writeTextFileSync(start, JSON.stringify({ fromStep: 0 }));
  };
  const finish = () => {
    lab.end(submission, 0, "1", { state: "failed", attempt: 1, message: "NaN" });
    lab.queue.set("1", "failed");
    for (const id of ["2", "3"]) lab.queue.set(id, "cancelled");
  };
  const { ended, events, pauses } = await watch(lab, submitted, [() => {}, begin, ...Array(30).fill(() => {}), finish]);
  assertEquals(ended, { a: "failed", b: "blocked", c: "blocked" });
  const told = events.filter((event) => event.type === "stage-finished" && event.id === "a");
  assertEquals(told.map((event) => event.type === "stage-finished" && event.message), ["NaN"]);
  // Until the next attempt is seen to have begun, the queue is polled every two seconds.
  assertEquals(pauses.slice(0, 2), [2_000, 2_000]);
});

Deno.test("a cache that is away for longer than results may stay unseen makes no job a lost one", async () => {
  await using lab = await PaperLab.open();
  const submitted = await lab.submitted(CHAIN);
  lab.said.length = 0;
  const away = `${lab.cache}.away`;
  const { lost, ended } = await watch(lab, submitted, [
    () => Deno.renameSync(lab.cache, away),
    () => lab.queue.forget("1"),
    ...Array(40).fill(() => {}),
    () => Deno.renameSync(away, lab.cache),
    () => lab.compute(CHAIN, ["a"]),
    () => lab.queue.cancel(["2", "3"]),
  ]);
  assertEquals([lost, ended], [false, { a: "ran", b: "failed", c: "blocked" }]);
  assertEquals(lab.said[0], `the cache folder ${lab.cache} is not there; waiting for it (0 of 30 minutes)`);
});

Deno.test("a job that ended without a record is said to go on only from what was saved, whatever ended it", async () => {
  const starts: Readonly<Record<string, string>> = {
    "": "run again with --on",
    '{"fromStep":null}': "run again with --on",
    '{"fromStep":0}': "run again with --on: nothing was saved, so it begins anew",
    '{"fromStep":40}': "run again with --on: it goes on from step 40",
    '{"fromStep":0,"toStep":60}': "run again with --on: it goes on from step 60",
  };
  const short = "raise timeout of a, or time of the cluster file: nothing was saved";
  for (const [start, wanted] of Object.entries(starts)) {
    for (const state of ["failed", "timeout", "cancelled"] as const) {
      await using lab = await PaperLab.open();
      const submitted = await lab.submitted(CHAIN);
      const { submission } = submitted.own!;
      const path = submission.attemptPath({ line: 0, job: "1", attempt: 0 }, "start");
      if (start !== "") Deno.writeTextFileSync(path, start);
      lab.queue.set("1", state);
      for (const id of ["2", "3"]) lab.queue.set(id, "cancelled");
      const { events } = await watch(lab, submitted);
      const { fix } = events.find((event) => event.type === "stage-finished")!;
      assertEquals(fix, state === "timeout" && !/step/.test(wanted) ? short : wanted, `${start} ${state}`);
    }
  }
});

Deno.test("a cache folder that is gone for good is named each minute, and waited for no longer than half an hour", async () => {
  await using lab = await PaperLab.open();
  const submitted = await lab.submitted(CHAIN);
  lab.said.length = 0;
  Deno.renameSync(lab.cache, `${lab.cache}.gone`);
  const stop = new AbortController();
  let now = 0;
  const end = await watchJobs(submitted, {
    ...{ ...lab.context, emit: () => {}, stop: stop.signal, now: () => now },
    pause: (ms) => {
      now += ms;
      if (now > 24 * 3_600_000) stop.abort();
      return Promise.resolve();
    },
  });
  assertEquals([end.gone, end.lost, end.ended.size], [lab.cache, false, 0]);
  const line = (minutes: number) =>
    `the cache folder ${lab.cache} is not there; waiting for it (${minutes} of 30 minutes)`;
  assertEquals(lab.said, Array.from({ length: 31 }, (_, minutes) => line(minutes)));
});

Deno.test("a suspended job is no running one", async () => {
  await using lab = await PaperLab.open();
  const submitted = await lab.submitted(CHAIN);
  lab.queue.set("1", "running");
  lab.queue.jobs = lab.queue.jobs.map((job) => job.id === "1" ? { ...job, state: "suspended" as const } : job);
  const { told } = await watch(lab, submitted, [
    () => lab.queue.set("1", "running"),
    () => lab.queue.set("1", "failed"),
  ]);
  assertEquals(told[0], "0 run; a: suspended by the queue; b,c: others come first");
  assertEquals(told.includes("1 run; b,c: others come first"), true);
});
