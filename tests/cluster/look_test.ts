import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Json } from "../support/cli_process.ts";
import type { Project } from "../support/project.ts";
import { clusterTest, type SlurmCluster, until } from "./support/slurm_cluster.ts";

/** A pipeline in which `walk` waits at its third step until it is stopped, and `after` waits for `walk`. */
const PIPELINE = `name: demo
stages:
  walk: { uses: ./walk.ts, with: { steps: 6, holdAt: 3 } }
  after: { uses: ./cook.ts, needs: walk, with: { text: a } }
  other: { uses: ./walk.ts, with: { steps: 2, text: b } }
`;

const stagesOf = (status: Json): Record<string, Json> =>
  Object.fromEntries(status.stages.map((one: Json) => [one.id, one]));

/** Submits the pipeline, and waits until `walk` is at its third step. */
async function submitted(cluster: SlurmCluster): Promise<Project> {
  const project = cluster.project({ files: { "p.yaml": PIPELINE }, stages: ["walk", "cook"] });
  const run = await cluster.cli(project, ["run", "p.yaml", "--on", "lab", "--detach"]);
  assertEquals(run.code, 0, run.stderr);
  await until("walk at step 3", async () => {
    const { json, stderr } = await cluster.cli(project, ["status", "p.yaml", "--on", "lab", "--json"]);
    const { walk, other } = stagesOf(json);
    return walk.running?.progress?.done === 3 && other.state === "restore"
      ? true
      : JSON.stringify([walk, other]) + stderr;
  });
  return project;
}

const text = async (cluster: SlurmCluster, project: Project, ...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await cluster.cli(project, args);
  assertEquals(code, 0, stderr);
  return stdout;
};

clusterTest(
  "from any machine that sees the cache one sees what is submitted, and can cancel it",
  {},
  async (cluster) => {
    const project = await submitted(cluster);
    const look = (...args: string[]) => text(cluster, project, ...args, "--on", "lab");

    const status = await look("status", "p.yaml");
    assert(/^walk +running +job \d+ on n[12]: step 3 of 6/m.test(status), status);
    assert(/^after +waiting +job \d+: for other jobs \(Dependency\)/m.test(status), status);
    assert(/^other +done +in the shared cache/m.test(status), status);
    assertEquals((await look("plan", "p.yaml")).includes("other  restore"), true);
    assertStringIncludes(await look("why", "p.yaml", "other"), "shared cache");

    const list = await look("runs");
    assert(
      /1 running, 1 waiting, 1 ran|1 running, 1 ran, 1 waiting/.test(list.replaceAll(/^.*demo.*?(\d running)/gm, "$1")),
      list,
    );
    assertEquals(await look("runs", "p.yaml"), list);
    const { submissions: [{ id, user, cluster: name }] } = JSON.parse(await look("runs", "--json"));
    assertEquals(name, "lab");
    assertStringIncludes(list, user);
    const one = await look("runs", id);
    assert(/^ {2}other +ran +job \d+ on n[12], step 0 to 2$/m.test(one), one);
    const none = await cluster.cli(project, ["runs", "20200101T000000000-1", "--on", "lab"]);
    assertEquals(none.code, 2);

    assertEquals(await look("logs", "p.yaml", "walk"), "walking\n");
    const early = await cluster.cli(project, ["logs", "p.yaml", "after", "--on", "lab"]);
    assertEquals(early.code, 1);
    assertStringIncludes(early.stderr, '"after" is waiting and has printed nothing yet');
    assertEquals(await look("logs", "p.yaml", "other", "--follow"), "walking\n");

    // Without the queue's commands, the cache still shows its contents.
    const away = await cluster.cli(project, ["status", "p.yaml", "--on", "lab"], { env: { PATH: "/nowhere" } });
    assertEquals(away.code, 0);
    assertStringIncludes(away.stdout, "what waits or runs is unknown");
    assert(/^walk +unknown/m.test(away.stdout), away.stdout);
    assert(/^other +done +in the shared cache/m.test(away.stdout), away.stdout);
    const mute = await cluster.cli(project, ["cancel", "p.yaml", "--on", "lab"], { env: { PATH: "/nowhere" } });
    assertEquals(mute.code, 2);
    assertStringIncludes(mute.stderr, "run it on a machine that has Slurm's commands");
    const unheard = await cluster.cli(project, ["logs", "p.yaml", "after", "--on", "lab"], {
      env: { PATH: "/nowhere" },
    });
    assertEquals(unheard.code, 1);
    assertStringIncludes(
      unheard.stderr,
      '"after" has printed nothing yet, and the queue is silent: there is no squeue',
    );
    const lost = await cluster.cli(project, ["run", "p.yaml", "--on", "lab"], { env: { PATH: "/nowhere" } });
    assertEquals(lost.code, 2);
    assertStringIncludes(lost.stderr, "run it on a machine that has Slurm's commands");

    // Others may use a job of the same name: only jobs of this pipeline are cancelled.
    const foreign = await cluster.sbatch(["--job-name=noiseline-0123456789abcdef", "--partition=cpu"], "sleep 100");
    await using following = cluster.start(project, ["logs", "p.yaml", "walk", "--on", "lab", "--follow"]);
    await following.said("walking");
    const cancelled = await look("cancel", "p.yaml", "walk");
    assert(/cancelled 2 jobs\n {2}walk +job \d+ +running\n {2}after +job \d+ +waiting\n/.test(cancelled), cancelled);
    assertEquals((await following.outcome()).code, 0);
    await until(
      "walk to be gone",
      async () => (await cluster.jobs()).every(({ id, state }) => id === foreign || !/RUN|PEND|ING/.test(state)),
    );
    const after = await look("status", "p.yaml");
    assert(/^walk +cancelled +job/m.test(after), after);
    const never = await cluster.cli(project, ["logs", "p.yaml", "after", "--on", "lab"]);
    assertEquals(never.code, 1);
    assertStringIncludes(never.stderr, '"after" has printed nothing\n');
    assertStringIncludes(await look("cancel", "p.yaml"), "no jobs of this pipeline are queued");
    assertEquals((await cluster.job(foreign))[0]!.state, "RUNNING");
  },
);

clusterTest("a suspended job is shown as suspended until it goes on", {}, async (cluster) => {
  const project = await submitted(cluster);
  const status = async () => JSON.parse(await text(cluster, project, "status", "p.yaml", "--on", "lab", "--json"));
  const { job } = stagesOf(await status()).walk;
  assertEquals(job.state, "running");
  await cluster.must("scontrol", ["suspend", job.id]);
  assertEquals(stagesOf(await status()).walk.job.state, "suspended");
  const shown = await text(cluster, project, "status", "p.yaml", "--on", "lab");
  assert(/^walk +suspended +job/m.test(shown), shown);
  await cluster.must("scontrol", ["resume", job.id]);
  assertEquals(stagesOf(await status()).walk.job.state, "running");
});

clusterTest("cancel takes an array as a whole, and a part of it child by child", {}, async (cluster) => {
  const sweep = `name: sweep
stages:
  walk: { uses: ./walk.ts, matrix: { text: [a, b, c, d] }, with: { steps: 6, holdAt: 3, text: "\${matrix.text}" } }
`;
  const project = cluster.project({ files: { "p.yaml": sweep }, stages: ["walk"] });
  await text(cluster, project, "run", "p.yaml", "--on", "lab", "--detach");
  const part = await text(cluster, project, "cancel", "p.yaml", "walk~text=b", "--on", "lab");
  assertStringIncludes(part, "cancelled 1 job\n");
  await until(
    "one to be gone",
    async () => (await cluster.jobs()).filter(({ state }) => !/CANCEL|COMPLETING/.test(state)).length === 3,
  );
  const rest = JSON.parse(await text(cluster, project, "cancel", "p.yaml", "--on", "lab", "--json"));
  assertEquals(rest.cancelled.map(({ id }: { id: string }) => id), ["walk~text=a", "walk~text=c", "walk~text=d"]);
  await cluster.untilEmpty();
});

clusterTest("logs --follow goes on with the next attempt of a stage, to its end", {}, async (cluster) => {
  const project = await submitted(cluster);
  await using following = cluster.start(project, ["logs", "p.yaml", "walk", "--on", "lab", "--follow"]);
  await following.said("walking");
  const { walk } = stagesOf(JSON.parse(await text(cluster, project, "status", "p.yaml", "--on", "lab", "--json")));
  // The attempt is ended on its node, and a later attempt continues from its saved state.
  await cluster.must("scontrol", ["requeue", walk.job.id]);
  const { code, stdout } = await following.outcome();
  assertEquals([code, stdout], [0, "walking\nwalking\n"]);
  const { submissions: [{ id }] } = JSON.parse(await text(cluster, project, "runs", "--on", "lab", "--json"));
  const shown = await text(cluster, project, "runs", id, "--on", "lab");
  assert(/^ {2}walk +ran +job \d+ on n\d, step 3 to 6$/m.test(shown), shown);
});

clusterTest("a stage in shards is shown as one, and cancelled with them", {}, async (cluster) => {
  const sharded = Deno.readTextFileSync(new URL("../../pipelines/smoke.yaml", import.meta.url))
    .replace("uses: sample\n", "uses: sample\n    shards: 2\n");
  const project = cluster.project({ files: { "p.yaml": sharded } });
  await text(cluster, project, "run", "p.yaml", "--on", "lab", "--detach");
  const cancelled = JSON.parse(await text(cluster, project, "cancel", "p.yaml", "sample", "--on", "lab", "--json"));
  const ids: string[] = cancelled.cancelled.map(({ id }: { id: string }) => id);
  assertEquals(ids.length, 4, ids.join());
  assert(ids.includes("sample") && ids.includes("score") && !ids.includes("train"), ids.join());
  const status = await text(cluster, project, "status", "p.yaml", "--on", "lab");
  assert(/^sample +cancelled/m.test(status), status);
  assertEquals(status.match(/^sample/gm)!.length, 1, status);
  await text(cluster, project, "cancel", "p.yaml", "--on", "lab");
});

clusterTest(
  "a job that somebody cancels is told at once, with true counts, and so in the record",
  {},
  async (cluster) => {
    const project = await submitted(cluster);
    await using running = cluster.start(project, ["run", "p.yaml", "--on", "lab"]);
    await running.said("walk: job");
    const { walk } = stagesOf(JSON.parse(await text(cluster, project, "status", "p.yaml", "--on", "lab", "--json")));
    await cluster.must("scancel", [walk.job.id]);
    const { code, stdout, stderr } = await running.outcome();
    assertEquals(code, 1, stdout + stderr);
    assert(/^walk: cancelled after /m.test(stdout), stdout);
    assertStringIncludes(stderr, `  its job ${walk.job.id} was cancelled (by somebody)\n  fix: run again with --on`);
    assert(/^after: blocked$/m.test(stdout), stdout);
    assert(/^demo: failed in .* \(1 restored, 1 failed, 1 blocked\)$/m.test(stdout), stdout);
    assert(/^last run: \S+ failed$/m.test(await text(cluster, project, "status", "p.yaml")));
    // If nothing is left to fetch, there is a last line too.
    await cluster.must("scontrol", ["update", "partitionname=gpu", "state=DOWN"]);
    await using alone = cluster.start(project, ["run", "p.yaml", "walk", "--on", "lab"]);
    await alone.said("jobs: 0 running; 1 waiting");
    await cluster.must("scancel", [(await cluster.jobs()).find(({ state }) => state === "PENDING")!.id]);
    const last = (await alone.outcome()).stdout;
    assert(/^demo: failed in .* \(1 failed\)$/m.test(last), last);
  },
);
