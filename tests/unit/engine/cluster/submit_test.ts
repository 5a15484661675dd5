import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { NO_COMMAND } from "../../../../engine/cluster/queue.ts";
import type { RightsRequest } from "../../../../engine/run/rights.ts";
import { PaperLab } from "./support/paper_lab.ts";

const CHAIN = `name: demo
stages:
  a: { uses: source, with: { text: a } }
  b: { uses: mix, inputs: { one: a } }
  c: { uses: mix, inputs: { one: b }, with: { text: c } }
`;

const SWEEP = `name: demo
stages:
  a: { uses: source }
  b: { uses: mix, inputs: { one: a }, matrix: { text: [x, y, z] }, with: { text: "\${matrix.text}" } }
  c: { uses: mix, inputs: { one: b }, with: { text: c } }
  d: { uses: mix, inputs: { from: b } }
`;

Deno.test("a graph is queued at once, each job after those that it reads; a second time nothing is", async () => {
  await using lab = await PaperLab.open();
  const first = await lab.submitted(CHAIN);
  assertEquals(lab.queue.told(), ["1 0", "2 1 after 1", "3 2 after 2"]);
  const [{ name, comment, script, order }] = [...lab.queue.requests.values()] as [
    typeof lab.queue.requests extends Map<string, infer R> ? R : never,
  ];
  assertEquals(name, `noiseline-${first.tracked[0]!.recipeKey.slice(0, 16)}`);
  assertEquals([comment, order.singleton], [`${first.own!.submission.head.id}:0`, true]);
  assertStringIncludes(script, first.own!.submission.digest);
  const second = await lab.submitted(CHAIN);
  assertEquals([second.own, lab.queue.requests.size], [undefined, 3]);
  assertEquals(second.tracked.map(({ id, line }) => [id, line]), [["a", 0], ["b", 1], ["c", 2]]);
});

Deno.test("a sweep is an array, and what follows is one of which each child waits for its own", async () => {
  await using lab = await PaperLab.open();
  lab.settings = { arrayLimit: 2 };
  await lab.submitted(SWEEP);
  assertEquals(lab.queue.told(), ["1 0", "2[0,1,2] 1 after 1", "3[0,1,2] 2 each after 2", "4 3 after 2"]);
  assertEquals(lab.queue.requests.get("2")!.array, { children: [0, 1, 2], atOnce: 2 });
  assertEquals(lab.queue.requests.get("2")!.order.singleton, false);
});

Deno.test("what the cache has is not queued, and what only this machine has is sent", async () => {
  await using lab = await PaperLab.open();
  await lab.compute(CHAIN, ["a"]);
  await lab.compute(CHAIN, ["b"], { store: ".noiseline", cached: false });
  await lab.submitted(CHAIN);
  assertEquals(lab.queue.told(), ["1 0"]);
  await lab.compute(CHAIN, ["c"], { store: "node" });
  const done = await lab.submitted(CHAIN);
  assertEquals([done.tracked.length, lab.queue.requests.size], [0, 1]);
});

Deno.test("where the file is edited, what it still asks for is not queued again, and what is new waits for it", async () => {
  await using lab = await PaperLab.open();
  await lab.submitted(SWEEP);
  const edited = SWEEP.replace("text: c", "text: new");
  const { tracked } = await lab.submitted(edited);
  assertEquals(lab.queue.told(4), ["5[0,1,2] 0 each after 2"]);
  assertEquals(tracked.length, 8);
  assertStringIncludes(
    lab.said.join("\n"),
    "3 waiting jobs are of an earlier version of this pipeline; --replace-queued",
  );
  await lab.submitted(edited, { replaceQueued: true });
  assertEquals(lab.queue.cancelled, ["3_0", "3_1", "3_2"]);
  assertEquals(lab.queue.requests.size, 5);
});

Deno.test("all that the queue would refuse is said at once, and nothing is queued", async () => {
  await using lab = await PaperLab.open();
  lab.queue.refusal = ({ needs }) => needs.cpus > 4 ? `${needs.cpus} are too many` : undefined;
  const yaml = CHAIN.replace("one: b }", "one: b }, resources: { cpu: 9 }").replace(
    "one: a }",
    "one: a }, resources: { cpu: 8 }",
  );
  const made = await lab.submit(yaml);
  assertEquals(
    made.ok ? [] : made.diagnostics.map(({ path, got, message }) => [path, got, message.slice(-14)]).sort(),
    [
      ["stages.b.resources", "8 CPUs", "8 are too many"],
      ["stages.c.resources", "9 CPUs", "9 are too many"],
    ],
  );
  assertEquals(lab.queue.requests.size, 0);
});

Deno.test("what a line of the cluster's file asks for in vain is one error there, whatever stages it is about", async () => {
  await using lab = await PaperLab.open();
  const refusedFor = async (refused: string, settings: typeof lab.settings) => {
    lab.queue.refusal = () => refused;
    lab.settings = settings;
    const made = await lab.submit(CHAIN);
    return made.ok ? [] : made.diagnostics.map(({ path, got, fix }) => [path, got, fix]).sort();
  };
  const change = "change what it asks for, or clusters/lab.yaml";
  assertEquals(await refusedFor("invalid partition specified: cpus", { partition: "cpus" }), [
    ["partition", "cpus", 'did you mean "cpu"?'],
  ]);
  const kinds = { mix: { resources: { cpu: 64, gpu: 9, memory: "899.5GiB" } } };
  assertEquals(await refusedFor("Requested node configuration is not available", { kinds, resources: { cpu: 65 } }), [
    ["kinds.mix.resources", "64 CPUs, 900 GiB, 9 GPUs", change],
    ["resources", "65 CPUs", change],
  ]);
  const long = { time: 90 * 60_000, kinds: { mix: { time: 30 * 3_600_000 } } };
  assertEquals(await refusedFor("a time limit of 1800 minutes is above the partition's", long), [
    ["kinds.mix.time", "1 CPU, 30 h", change],
    ["time", "1 CPU, 90 min", change],
  ]);
});

Deno.test("folders that may be missing mounts are not made, and a wrong path is not filled with packages", async () => {
  await using lab = await PaperLab.open();
  lab.settings = { cache: "/no/mount/cache", logs: "/no/mount/logs", packages: lab.cache };
  const made = await lab.submit(CHAIN);
  assertEquals(made.ok ? [] : made.diagnostics.map(({ path, got }) => [path, got]), [
    ["cache", "/no/mount/cache"],
    ["logs", "/no/mount/logs"],
    ["packages", lab.cache],
  ]);
  assertEquals(lab.queue.requests.size, 0);
});

Deno.test("a queue that took a job without an answer is not given it again; one that did not is", async () => {
  await using lab = await PaperLab.open();
  const troubles = ["hidden", undefined, { trouble: "silent", message: "timed out" }] as const;
  let asked = 0;
  lab.queue.trouble = () => troubles[asked++];
  await lab.submitted(CHAIN);
  assertEquals(lab.queue.told(), ["1 0", "2 1 after 1", "3 2 after 2"]);
  assertEquals(asked, 4);
});

Deno.test("a queue that is silent while it is asked what it would take is asked again", async () => {
  await using lab = await PaperLab.open();
  lab.queue.silentTests = 1;
  await lab.submitted(CHAIN);
  assertEquals(lab.queue.requests.size, 3);
  assertStringIncludes(lab.said.join("\n"), "the queue does not answer (timed out)");
});

Deno.test("a queue that never answers is waited for, not for ever, and then nothing was queued twice", async () => {
  await using lab = await PaperLab.open();
  lab.queue.silent = Infinity;
  const made = await lab.submit(CHAIN);
  assertEquals(made.ok ? "" : made.diagnostics[0]!.message, "the queue does not answer: timed out");
  assertEquals(lab.queue.requests.size, 0);
  assertEquals(lab.said, ["the queue does not answer (timed out); waiting for it, for up to ten minutes"]);
});

Deno.test("a queue whose commands are not there is not waited for", async () => {
  await using lab = await PaperLab.open();
  lab.queue.poll = () => Promise.resolve({ silent: `${NO_COMMAND}squeue on the PATH of here` });
  const made = await lab.submit(CHAIN);
  assertEquals(made.ok ? [] : made.diagnostics.map(({ code, fix }) => [code, fix]), [
    ["check", "run it on a machine that has Slurm's commands"],
  ]);
  assertEquals(lab.said, []);
});

Deno.test("a job that ended and was forgotten meanwhile is not waited for where its result is there, else queued again", async () => {
  await using lab = await PaperLab.open();
  const forget = new Set(["1"]);
  lab.queue.trouble = ({ order }) => {
    for (const id of order.afterOk ?? []) if (forget.delete(id)) lab.queue.forget(id);
    return undefined;
  };
  await lab.submitted(CHAIN);
  assertEquals(lab.queue.told(), ["1 0", "2 0", "3 1 after 2", "4 2 after 3"]);

  await using other = await PaperLab.open();
  let computed = false;
  other.queue.trouble = ({ order }) => {
    if (computed || order.afterOk?.[0] !== "1") return undefined;
    other.queue.forget("1");
    computed = true;
    return undefined;
  };
  await other.compute(CHAIN, ["a"], { store: "node", cached: false });
  const own = other.queue.submit.bind(other.queue);
  other.queue.submit = async (request) => {
    const made = await own(request);
    if (!("id" in made)) await other.compute(CHAIN, ["a"]);
    return made;
  };
  await other.submitted(CHAIN);
  assertEquals(other.queue.told(), ["1 0", "2 1", "3 2 after 2"]);
});

Deno.test("what the queue has no room for is submitted by a small job, when others have ended", async () => {
  await using lab = await PaperLab.open();
  lab.queue.facts = { room: 3 };
  const made = await lab.submitted(SWEEP);
  // One of the three jobs is the small job that submits the rest.
  assertEquals(lab.queue.told(), ["1 0", "2[0] 1 after 1", "3 rest whatever becomes of 2_0"]);
  assertEquals(made.own!.queued.stuck, false);
  assertStringIncludes(lab.queue.requests.get("3")!.script, `${made.own!.submission.digest}'\n`);
  // If somebody runs the pipeline again meanwhile, there is nothing to submit.
  const again = await lab.submitted(SWEEP);
  assertEquals([again.own, again.tracked.length, lab.queue.requests.size], [undefined, 8, 3]);

  lab.queue.set("1", "done");
  lab.queue.set("2", "done");
  lab.queue.set("3", "running");
  lab.queue.self = { id: "3", attempt: 0 };
  lab.queue.facts = { room: 100 };
  assertEquals((await lab.goOn(made)).stuck, false);
  assertEquals(lab.queue.told(3), ["4[1,2] 1", "5[0] 2", "6 3 after 4_1,4_2", "7[1,2] 2 each after 4"]);
  // The queue reports no limits, and is full.
  lab.queue.set("3", "done");
  assertEquals(
    (await lab.goOn(made)).standings.values().every(({ state }) => state === "queued" || state === "done"),
    true,
  );
  assertEquals(lab.queue.requests.size, 7);
});

Deno.test("a queue that turns out to be full stops it, and where nothing of ours is in it, it is tried later", async () => {
  await using lab = await PaperLab.open();
  lab.queue.trouble = ({ comment }) => comment.includes("rest") ? undefined : { trouble: "full", message: "no more" };
  const made = await lab.submitted(CHAIN);
  assertEquals(lab.queue.told(), ["1 rest"]);
  assertEquals([lab.queue.requests.get("1")!.delaySeconds, made.own!.queued.stuck], [60, false]);
  lab.queue.forget("1");
  lab.queue.trouble = () => ({ trouble: "full", message: "no more" });
  assertEquals((await lab.goOn(made)).stuck, true);
});

Deno.test("what a partition has cancelled is queued again with what waited for it; what failed by itself is not", async () => {
  await using lab = await PaperLab.open();
  lab.queue.facts = { cancelsPreempted: new Set(["cpu"]) };
  lab.settings = { restarts: 2 };
  const made = await lab.submitted(SWEEP);
  assertEquals(lab.queue.told(4), ["5 guard if 1,2,3,4 fails"]);
  const { submission } = made.own!;
  await lab.compute(SWEEP, ["a"]);
  lab.queue.set("1", "done");
  lab.queue.set("2_0", "failed");
  lab.end(submission, submission.head.parts[1]!.lines[0]!, "2_0", { state: "failed", message: "NaN" });
  lab.queue.set("2_1", "preempted");
  for (const id of ["3_0", "3_1", "4"]) lab.queue.set(id, "cancelled");
  lab.queue.set("5", "running");
  lab.queue.self = { id: "5", attempt: 0 };
  const { standings } = await lab.goOn(made);
  assertEquals(lab.queue.told(5), ["6[1] 1", "7[1] 2 each after 6", "8 guard if 6,2,7,3 fails"]);
  const stateOf = (part: number, i: number) => standings.get(submission.head.parts[part]!.lines[i]!)!;
  assertEquals(stateOf(1, 0), { state: "failed", message: "NaN" });
  assertEquals([stateOf(2, 0).state, stateOf(3, 0).state], ["blocked", "blocked"]);

  // The job is queued again once more; then it is given up.
  const again = async (job: string, after: string) => {
    lab.queue.set(job, "preempted");
    lab.queue.set(after, "cancelled");
    return (await lab.goOn(made)).standings.get(submission.head.parts[1]!.lines[1]!)!;
  };
  lab.queue.set("8", "done");
  assertEquals(await again("6", "7"), { state: "queued", job: "9_1" });
  assertEquals(await again("9", "10"), {
    state: "failed",
    message: "its job was lost or preempted 3 times, the last without progress",
  });
});

Deno.test("what a project's file of a cluster says of jobs counts once it is granted: before that nothing is queued", async () => {
  await using lab = await PaperLab.open();
  const asked: string[][] = [];
  const ask = (answer: boolean) => (requests: readonly RightsRequest[]) => {
    asked.push(requests.flatMap(({ rights }) => rights));
    return Promise.resolve(answer);
  };
  const right = `jobs=${"0".repeat(64)}`;
  const asks = [lab.asking(right)];
  // Neither the queue nor a missing command comes before the question.
  for (const [silent, options] of [[Infinity, {}], [0, { askForGrants: ask(false) }]] as const) {
    lab.queue.silent = silent;
    const refused = await lab.submit(CHAIN, { ...options, asks });
    assert(!refused.ok);
    const [{ code, message, fix }] = refused.diagnostics as [typeof refused.diagnostics[number]];
    assertEquals([code, message], ["not-granted", "clusters/lab.yaml asks for rights that you have not granted"]);
    assertStringIncludes(fix!, `look at clusters/lab.yaml; if you trust it: --grant clusters/lab.yaml:${right}`);
    assertEquals([lab.queue.requests.size, lab.remembered(), lab.said], [0, undefined, []]);
  }
  await lab.submitted(CHAIN, { askForGrants: ask(true), asks });
  assertEquals(lab.queue.requests.size, 3);
  assertEquals(asked, [[right], [right]]);
  // The grant was remembered, for this digest of the file.
  assertStringIncludes(lab.remembered()!, right);
  assert((await lab.submit(SWEEP, { asks })).ok);
  assert(
    !(await lab.submit(CHAIN.replaceAll("text: a", "text: z"), { asks: [lab.asking(`jobs=${"1".repeat(64)}`)] })).ok,
  );
});

Deno.test("a node is left out once two jobs ended there before they began, unless no other is large enough", async () => {
  await using lab = await PaperLab.open();
  lab.settings = { sbatch: ["--exclude=n9"] };
  const excluded = () => [...lab.queue.requests.values()].at(-1)!.needs.options;
  /** Ends a job on a node as its script leaves it, and submits again. */
  const end = async (job: string, node: string, began: boolean) => {
    const { submission } = (await lab.submitted(CHAIN)).tracked[0]!;
    Deno.writeTextFileSync(`${submission.folder}/ends/${job}.0.${node}.node`, "");
    if (began) Deno.writeTextFileSync(`${submission.folder}/ends/0.${job}.0.start`, '{"fromStep":null}');
    lab.queue.set(job, "failed");
    await lab.queue.cancel(lab.queue.jobs.map(({ id }) => id).filter((id) => id !== job));
    await lab.submitted(CHAIN);
    return excluded();
  };
  assertEquals(await end("1", "n1", false), ["--exclude=n9"]);
  assertEquals(await end("4", "n2", true), ["--exclude=n9"]);
  assertEquals(await end("7", "n2", false), ["--exclude=n9"]);
  assertEquals(await end("10", "n1", false), ["--exclude=n9", "--exclude=n9,n1"]);
  assertEquals(lab.said.at(-2)!, "left out, as jobs ended there before they began, more than once: n1");
  // A job that is about to begin is no bad end.
  const { submission } = (await lab.submitted(CHAIN)).tracked[0]!;
  for (const job of ["13", "14"]) Deno.writeTextFileSync(`${submission.folder}/ends/${job}.0.n3.node`, "");
  await lab.queue.cancel(["15"]);
  await lab.submitted(CHAIN);
  assertEquals(excluded(), ["--exclude=n9", "--exclude=n9,n1"]);
  await lab.queue.cancel(lab.queue.jobs.map(({ id }) => id));
  lab.queue.refusal = ({ needs }) =>
    needs.options.length > 1 ? "Requested node configuration is not available" : undefined;
  await lab.submitted(CHAIN);
  assertEquals(excluded(), ["--exclude=n9"]);
  // Jobs that start in another way may begin there.
  await lab.queue.cancel(lab.queue.jobs.map(({ id }) => id));
  lab.queue.refusal = () => undefined;
  lab.settings = { ...lab.settings, setup: ["module load deno"] };
  await lab.submitted(CHAIN);
  assertEquals(excluded(), ["--exclude=n9"]);
});

Deno.test("commands that submit at once submit each stage once", async () => {
  await using lab = await PaperLab.open();
  const pipeline = await lab.load(CHAIN);
  const all = await Promise.all(Array.from({ length: 4 }, () => lab.submitted(pipeline)));
  assertEquals([lab.queue.requests.size, all.filter(({ own }) => own !== undefined).length], [3, 1]);
  assertEquals(all.map(({ tracked }) => tracked.length), [3, 3, 3, 3]);
});
