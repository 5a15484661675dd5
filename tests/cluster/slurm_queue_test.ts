import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import type { JobNeeds, JobRequest, QueuedJob, Submitted } from "../../engine/cluster/queue.ts";
import { SlurmQueue } from "../../engine/cluster/slurm/slurm_queue.ts";
import { setVariable, testsAlone } from "../support/own_process.ts";
import { isRoot, skipUnless } from "../support/proc.ts";
import { type ClusterOptions, clusterTest, type SlurmCluster, until } from "./support/slurm_cluster.ts";

const NEEDS: JobNeeds = { cpus: 1, gpus: 0, options: [] };

let made = 0;

function requestIn(cluster: SlurmCluster, lines: string, request: Partial<JobRequest> = {}): JobRequest {
  const name = `noiseline-${++made}`;
  return {
    name,
    comment: `${name}:comment`,
    script: `#!/bin/bash\n${lines}\n`,
    needs: NEEDS,
    order: {},
    log: join(cluster.folder, `${name}.log`),
    folder: cluster.cache,
    ...request,
  };
}

const test = testsAlone(import.meta.url);

/**
 * Registers a test with a queue of the cluster. The queue's commands find the cluster by variables of the environment:
 * a command of another test in the same process would use this cluster and end with it.
 */
function queueTest(
  name: string,
  options: ClusterOptions,
  body: (queue: SlurmQueue, cluster: SlurmCluster) => Promise<void>,
): void {
  clusterTest(name, options, async (cluster) => {
    for (const [key, value] of Object.entries(cluster.env)) setVariable(key, value);
    await body(new SlurmQueue(), cluster);
  }, test);
}

function idOf(answer: Submitted): string {
  if ("id" in answer) return answer.id;
  throw new Error(`${answer.trouble}: ${answer.message}`);
}

function troubleOf(answer: Submitted): string {
  return "id" in answer ? `job ${answer.id}` : `${answer.trouble}: ${answer.message}`;
}

async function jobsOf(queue: SlurmQueue): Promise<readonly QueuedJob[]> {
  const view = await queue.poll();
  if ("silent" in view) throw new Error(view.silent);
  return view.jobs;
}

/** Returns the states of the given jobs, by id. */
async function statesOf(queue: SlurmQueue, ...ids: string[]): Promise<string> {
  const jobs = await jobsOf(queue);
  return ids.map((id) => jobs.find((job) => job.id === id)?.state ?? "unknown").join();
}

queueTest("a job has what it needs, nothing of this process's environment, and is found by its comment", {}, async (
  queue,
  cluster,
) => {
  setVariable("NOISELINE_SECRET", "of nobody's business");
  const log = join(cluster.folder, "100%j of it.log");
  const needs = { cpus: 2, gpus: 1, memoryMiB: 300, minutes: 3, partition: "gpu", options: ["--nice=5"] };
  const request = requestIn(cluster, "env; pwd; scontrol show job $SLURM_JOB_ID", { needs, log });
  const id = idOf(await queue.submit(request));
  setVariable("NOISELINE_SECRET", undefined);
  await cluster.untilState(id, "COMPLETED");
  const said = Deno.readTextFileSync(log);
  assert(!said.includes("NOISELINE_SECRET"), said);
  for (const part of [`\n${cluster.cache}\n`, "CUDA_VISIBLE_DEVICES=0", "TimeLimit=00:03:00", "CPUs/Task=2", "300M"]) {
    assertStringIncludes(said, part);
  }
  assertStringIncludes(said, "Nice=5");
  assertStringIncludes(said, "Requeue=1");
  // Variables that a user has set for `squeue` must not hide jobs here.
  setVariable("SQUEUE_PARTITION", "cpu");
  const found = (await jobsOf(queue)).filter(({ comment }) => comment === request.comment);
  setVariable("SQUEUE_PARTITION", undefined);
  assertEquals(found, [{
    id,
    name: request.name,
    comment: request.comment,
    state: "done",
    word: "COMPLETED",
    reason: "",
    node: found[0]!.node,
    seconds: found[0]!.seconds,
  }]);
});

queueTest("children of an array go by number, a few at a time, and the next array's wait for them alone", {}, async (
  queue,
  cluster,
) => {
  const children = [0, 1, 2, 4];
  const first = requestIn(cluster, 'echo $SLURM_ARRAY_TASK_ID; [ "$SLURM_ARRAY_TASK_ID" != 1 ]', {
    array: { children, atOnce: 2 },
    needs: { ...NEEDS, partition: "cpu" },
  });
  const one = idOf(await queue.submit(first));
  const rest = await queue.submit(requestIn(cluster, "true", {
    array: { children: [0, 1, 3, 4] },
    order: { afterChild: [one] },
  }));
  const two = idOf(rest);
  await cluster.untilState(`${two}_4`, "COMPLETED");
  await cluster.untilState(`${two}_1`, "CANCELLED");
  assertEquals(
    await statesOf(queue, ...children.map((child) => `${one}_${child}`)),
    "done,failed,done,done",
  );
  assertEquals(await statesOf(queue, `${two}_0`, `${two}_1`, `${two}_4`), "done,cancelled,done");
  assertEquals(children.map((child) => Deno.readTextFileSync(`${first.log}.${child}`)), ["0\n", "1\n", "2\n", "4\n"]);
  // A child without a partner in the other array may be in any of these states; nothing relies on it.
  assertMatch(await statesOf(queue, `${two}_3`), /^(done|cancelled|waiting|running)$/);
});

queueTest("orders: after all, after any end, after the first failure, one of a name at a time", {}, async (
  queue,
  cluster,
) => {
  const submit = async (lines: string, request: Partial<JobRequest> = {}) =>
    idOf(await queue.submit(requestIn(cluster, lines, request)));
  const good = await submit("sleep 1");
  const bad = await submit("sleep 2; exit 3");
  const slow = await submit("sleep 60");
  const afterGood = await submit("true", { order: { afterOk: [good], singleton: true } });
  const afterBad = await submit("true", { order: { afterOk: [good, bad] } });
  const anyway = await submit("true", { order: { afterAny: [bad, good] } });
  const failure = await submit("true", { order: { afterFailureOfAny: [slow, bad, good] } });
  const twin = { name: "noiseline-twin", order: { singleton: true } };
  const [older, younger] = [await submit("sleep 60", twin), await submit("true", twin)];
  for (const id of [afterGood, anyway, failure]) await cluster.untilState(id, "COMPLETED");
  assertEquals(
    await statesOf(queue, good, bad, slow, afterBad, older, younger),
    [
      "done,failed,running,cancelled,running,waiting",
    ].join(),
  );
  const reason = (await jobsOf(queue)).find(({ id }) => id === younger)?.reason;
  assertEquals(reason, "for other jobs (Dependency)");
  assertEquals(await queue.cancel([older, "--me", "999"]), undefined);
  await cluster.untilState(younger, "COMPLETED");
  assertEquals(await statesOf(queue, older, slow), "cancelled,running");
});

queueTest("a job is told before its time is over", {}, async (queue, cluster) => {
  const request = requestIn(cluster, "trap 'echo told' USR2; while true; do sleep 0.2; done", {
    needs: { ...NEEDS, minutes: 1 },
    // Slurm checks only every half minute or so; here it only matters that the warning comes before the end.
    warnSeconds: 55,
  });
  const id = idOf(await queue.submit(request));
  await until("the signal", () => Deno.readTextFile(request.log!).then((text) => text.includes("told"), () => false));
  assertEquals(await statesOf(queue, id), "running");
});

queueTest("jobs of other users are left alone", {}, async (queue, cluster) => {
  if (skipUnless(isRoot(), "only root can be two users")) return;
  const id = await cluster.sbatch(["--job-name=noiseline-theirs"], "sleep 60", { user: "games" });
  await cluster.untilState(id, "RUNNING");
  assertEquals(await jobsOf(queue), []);
  const mine = requestIn(cluster, "true", { name: "noiseline-theirs", order: { singleton: true } });
  await cluster.untilState(idOf(await queue.submit(mine)), "COMPLETED");
  await cluster.untilState(id, "RUNNING");
});

queueTest("a child queues itself again and not its array", {}, async (queue, cluster) => {
  const module = new URL("../../engine/cluster/slurm/slurm_queue.ts", import.meta.url).href;
  const code = `import { SlurmQueue } from ${JSON.stringify(module)};
const queue = new SlurmQueue();
const own = queue.own();
console.log(JSON.stringify(own));
if (own.attempt === 0 && own.id.endsWith("_2")) console.log(await queue.requeueOwn());
`;
  Deno.writeTextFileSync(join(cluster.folder, "job.ts"), code);
  const request = requestIn(cluster, `exec ${Deno.execPath()} run -A --no-lock ${cluster.folder}/job.ts`, {
    array: { children: [1, 2] },
    needs: { ...NEEDS, partition: "cpu" },
  });
  const id = idOf(await queue.submit(request));
  const isBack = async () => (await jobsOf(queue)).find((job) => job.id === `${id}_2`)?.reason ?? "";
  await until("a pause", async () => (await isBack()).includes("BeginTime") || await isBack());
  await cluster.untilState(id, "COMPLETED");
  const linesOf = (child: number) =>
    Deno.readTextFileSync(`${request.log}.${child}`).split("\n").filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
  assertEquals(linesOf(1), [{ id: `${id}_1`, attempt: 0 }]);
  assertEquals(linesOf(2), [{ id: `${id}_2`, attempt: 0 }, { id: `${id}_2`, attempt: 1 }]);
});

queueTest("what can never run is refused without queueing anything", {}, async (
  queue,
  cluster,
) => {
  const test = (needs: Partial<JobNeeds>) => queue.test(requestIn(cluster, "true", { needs: { ...NEEDS, ...needs } }));
  assertEquals(await test({ gpus: 2, cpus: 4, minutes: 60 }), {});
  for (const needs of [{ gpus: 3 }, { cpus: 5 }, { memoryMiB: 17_000 }, { gpus: 1, partition: "cpu" }]) {
    assertEquals(await test(needs), { refused: "Requested node configuration is not available" });
  }
  assertMatch(JSON.stringify(await test({ partition: "nowhere" })), /"refused":.*invalid partition/i);
  const over = { refused: "a time limit of 61 minutes is above the partition's" };
  assertEquals(await test({ minutes: 61 }), over);
  assertEquals(await test({ minutes: 61, partition: "cpu,scavenge" }), over);
  assertEquals(await jobsOf(queue), []);
  for (const node of ["n1", "n2"]) {
    await cluster.must("scontrol", ["update", `nodename=${node}`, "state=drain", "reason=test"]);
  }
  assertEquals(await test({ gpus: 2, cpus: 4 }), {});
  for (const needs of [{ gpus: 3 }, { cpus: 5 }, { memoryMiB: 17_000 }, { gpus: 1, partition: "cpu" }]) {
    assertEquals(await test(needs), { refused: "Requested node configuration is not available" });
  }
  assertEquals(await jobsOf(queue), []);
  for (const node of ["n1", "n2"]) await cluster.must("scontrol", ["update", `nodename=${node}`, "state=resume"]);
  assertMatch(
    troubleOf(await queue.submit(requestIn(cluster, "true", { needs: { ...NEEDS, gpus: 3 } }))),
    /^refused: Requested node configuration is not available$/,
  );
  assertMatch(
    troubleOf(await queue.submit(requestIn(cluster, "true", { needs: { ...NEEDS, options: ["--frobnicate"] } }))),
    /^refused: .*unrecognized option/,
  );
});

queueTest("a frozen controller is silent, and the job that it did not confirm is found later", {}, async (
  queue,
  cluster,
) => {
  const before = idOf(await queue.submit(requestIn(cluster, "sleep 60")));
  cluster.freezeController();
  const request = requestIn(cluster, "sleep 60");
  assertMatch(troubleOf(await queue.submit(request)), /^silent: .*[Tt]imed out/);
  assert("silent" in await queue.poll());
  assert("silent" in await queue.describe());
  cluster.thawController();
  await until("the job", async () => (await jobsOf(queue)).some(({ comment }) => comment === request.comment));
  assert((await jobsOf(queue)).some(({ id }) => id === before));
  await cluster.stopController();
  assertMatch(troubleOf(await queue.submit(request)), /^silent: /);
  assert("silent" in await queue.poll());
  assert((await queue.cancel([before])) !== undefined);
});

queueTest("a full queue says so at once; ended jobs fill it too until they are forgotten", {
  maxJobCount: 6,
  maxArraySize: 5,
  minJobAge: 5,
  preempted: "CANCEL",
}, async (queue, cluster) => {
  const facts = async () => {
    const found = await queue.describe();
    if ("silent" in found) throw new Error(found.silent);
    return found;
  };
  const { partitions, ...rest } = await facts();
  assertEquals(partitions, [
    "gpu (default): 2 nodes of 4 processors, 16000 MiB, gpu:fake:2; time limit 1:00:00",
    "cpu: 1 node of 4 processors, 16000 MiB; time limit 1:00:00",
    "scavenge: 2 nodes of 4 processors, 16000 MiB, gpu:fake:2; time limit 1:00:00",
  ]);
  assertEquals(rest, {
    version: rest.version,
    maxArray: 5,
    room: 5,
    cancelsPreempted: new Set(["scavenge"]),
    defaultPartition: "gpu",
  });
  assertMatch(rest.version, /^\d\d\.\d\d/);
  const array = { children: [0, 1, 2, 3, 4] };
  const first = idOf(await queue.submit(requestIn(cluster, "true", { array })));
  assertEquals((await facts()).room, 0);
  assertMatch(troubleOf(await queue.submit(requestIn(cluster, "true", { array }))), /^full: .*temporarily unable/);
  await cluster.untilState(first, "COMPLETED");
  assertEquals((await facts()).room, 0);
  assertMatch(
    troubleOf(await queue.submit(requestIn(cluster, "true", { array: { children: [5] } }))),
    /^refused: Invalid job array/,
  );
  await until("the controller to forget", async () => (await facts()).room === 5);
  assertEquals(await jobsOf(queue), []);
  // 22.05 takes an order after forgotten jobs as fulfilled; newer versions refuse it.
  const after = await queue.submit(requestIn(cluster, "true", { order: { afterOk: [first] } }));
  assertMatch(troubleOf(after), /^(job \d+|order: .*)$/);
});

queueTest("limits of users, accounts and qualities of service count where they hold", {
  accounting: "limits",
}, async (queue, cluster) => {
  const room = async (as?: Pick<JobNeeds, "account" | "qos">) => {
    const found = await queue.describe(as);
    if ("silent" in found) throw new Error(found.silent);
    return found.room;
  };
  const manage = (...args: string[]) => cluster.must("sacctmgr", ["--immediate", ...args]);
  const user = (await cluster.must("id", ["-un"])).trim();
  const unlimited = await room({ account: "lab" });
  assert(unlimited > 1000, `${unlimited}`);
  await manage("modify", "account", "lab", "set", "grpsubmitjobs=7");
  await manage("modify", "user", user, "account=lab", "set", "maxsubmitjobs=5");
  await manage("add", "qos", "short");
  await manage("modify", "qos", "short", "set", "maxsubmitjobsperuser=2");
  await manage("modify", "user", user, "account=lab", "set", "qos+=short");
  const needs = { ...NEEDS, account: "lab" };
  assertEquals(await room(needs), 5);
  assertEquals(await room({ ...needs, qos: "short" }), 2);
  const array = { children: [0, 1, 2, 3] };
  idOf(await queue.submit(requestIn(cluster, "sleep 60", { needs, array })));
  assertEquals(await room(needs), 1);
  assertMatch(
    troubleOf(await queue.submit(requestIn(cluster, "true", { needs, array }))),
    /^full: AssocMaxSubmitJobLimit/,
  );
  assertMatch(
    troubleOf(await queue.submit(requestIn(cluster, "true", { needs: { ...needs, account: "nobody" } }))),
    /^refused: Invalid account/,
  );
  assertMatch(
    troubleOf(await queue.submit(requestIn(cluster, "true", { needs: { ...needs, qos: "gold" } }))),
    /^refused: Invalid qos/,
  );
  await cluster.stopAccounting();
  assert(await room(needs) > 1000);
  assertEquals((await jobsOf(queue)).length, 4);
});
