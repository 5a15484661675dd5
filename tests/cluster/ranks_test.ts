import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { globSync } from "node:fs";
import { join } from "node:path";
import { cachedDigests } from "../support/cluster.ts";
import { askedGrants, NO_PYTHON } from "../support/commands.ts";
import { copyPytorch, NO_TORCHRUN, setting, SMALL_TORCH } from "../support/pytorch.ts";
import { ADD_UP, totalOf } from "../support/ranks.ts";
import { endsIn } from "./support/judge.ts";
import { clusterTest, type SlurmCluster, until } from "./support/slurm_cluster.ts";
import type { Project } from "../support/project.ts";

/** Two ranks, here on one machine and there on two nodes. */
const SPREAD = ADD_UP.replace("--nproc-per-node=2, ", "").replace("outputs:", "tasks: 2\n      outputs:") +
  "    resources: { nodes: 2 }\n";
const GRANT = ["--grant", "count:net,run=./launch.py"];

function projectOn(cluster: SlurmCluster, text: string): Project {
  const project = cluster.project({ files: { "p.yaml": text } });
  for (const name of ["launch.py", "add_up.py"]) project.copy(`tests/support/stages/${name}`, name);
  Deno.chmodSync(project.path("launch.py"), 0o755);
  return project;
}

clusterTest("ranks on two nodes end in the bytes of two ranks on one machine", {
  ...{ namespaces: true, absence: NO_PYTHON },
}, async (cluster) => {
  const project = projectOn(cluster, SPREAD);
  const refused = await cluster.cli(project, ["run", "p.yaml", "--on", "lab"]);
  assertEquals(refused.code, 2, refused.stdout + refused.stderr);
  assertMatch(refused.stderr, /got: +net, run=/);
  const ran = await cluster.cli(project, ["run", "p.yaml", "--on", "lab", ...GRANT]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  assertEquals(project.read("outputs/demo/count/total.txt"), totalOf(10));
  const { stdout, stderr } = await cluster.cli(project, ["logs", "p.yaml", "count", "--on", "lab"]);
  for (const rank of [0, 1]) assertStringIncludes(stdout + stderr, `rank ${rank} of 2 on n${rank + 1}`);
  const cache = project.path("own-cache");
  const local = ["--store", project.path("own-store"), "--cache", cache, ...GRANT];
  const alone = await project.cli(["run", "p.yaml", ...local], { env: { XDG_CONFIG_HOME: project.root } });
  assertEquals(alone.code, 0, alone.stdout + alone.stderr);
  assertEquals(cachedDigests(cluster.cache), cachedDigests(cache));
});

clusterTest("PyTorch on two nodes ends in the bytes of two processes on one machine", {
  ...{ namespaces: true, absence: NO_TORCHRUN },
}, async (cluster) => {
  // Here a node's own name means 127.0.0.1, at which gloo would wait for the others.
  const lab = { setup: ["export GLOO_SOCKET_IFNAME=eth0"] };
  const project = cluster.project({ lab, files: { "deno.json": "{}" } });
  copyPytorch(project);
  const file = "pipelines/two-nodes.yaml";
  const two = "torch: { matrix: { processes: [2] }, resources: { nodes: 2 } }";
  project.write(file, `name: two-nodes\nextends: pytorch-parallel.yaml\nstages:\n  ${two}\n`);
  const grants = await askedGrants(project, file);
  const spread = grants.map((text) => text.replace("torch:", "torch:net,"));
  const args = ["run", file, "torch", ...setting(SMALL_TORCH)];
  const ran = await cluster.cli(project, [...args, "--on", "lab", ...spread]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  const cache = project.path("own-cache");
  const local = ["--store", project.path("own-store"), "--cache", cache, ...grants];
  const alone = await project.cli([...args, ...local], { env: { XDG_CONFIG_HOME: project.root } });
  assertEquals(alone.code, 0, alone.stdout + alone.stderr);
  assertEquals(cachedDigests(cluster.cache), cachedDigests(cache));
});

const WRONG: Readonly<Record<string, RegExp>> = {
  // Whichever of the two nodes is heard first.
  raises: /it exited with code 1\s+(rank 0: Traceback[^]*)?rank 1: (Traceback[^]*)?ValueError: no data for this rank/,
  dies: /its process ended by SIGKILL [^]*rank {6}: 1 \(local_rank: 0\)/,
};

clusterTest("a rank that raises or dies on the second node ends the job with its own words", {
  absence: NO_PYTHON,
}, async (cluster) => {
  const stages = Object.keys(WRONG).map((wrong) =>
    SPREAD.slice(SPREAD.indexOf("  count:")).replace("count", wrong)
      .replace("steps:", `params: { wrong: ${wrong}, at: [1, 7] }\n      steps:`)
  );
  const project = projectOn(cluster, `name: demo\nstages:\n${stages.join("")}`);
  const grant = ["--grant", "raises:net,run=./launch.py"];
  const { code, stdout, stderr } = await cluster.cli(project, ["run", "p.yaml", "--on", "lab", ...grant]);
  assertEquals(code, 1, stdout + stderr);
  for (const [wrong, words] of Object.entries(WRONG)) assertMatch(stdout + stderr, words, wrong);
  await cluster.untilEmpty();
});

clusterTest("a job on two nodes that is told to stop saves, is queued again, and ends in the same bytes", {
  absence: NO_PYTHON,
}, async (cluster) => {
  const slow = SPREAD.replace("steps: 10", "params: { pause: 0.3 }\n      steps: 43");
  const project = projectOn(cluster, slow);
  await using running = cluster.start(project, ["run", "p.yaml", "--on", "lab", "--json", ...GRANT]);
  await until("a saved state", () => {
    const [path] = globSync(join(cluster.cache, "cluster/states/**/step-*"));
    return Promise.resolve(path !== undefined);
  });
  const [job] = await cluster.jobs();
  await cluster.must("scancel", ["--batch", "--signal=USR2", job!.id]);
  const { code, stdout, stderr } = await running.outcome();
  assertEquals(code, 0, stdout + stderr);
  assertEquals(project.read("outputs/demo/count/total.txt"), totalOf(43));
  const ends = endsIn(cluster.cache);
  assertEquals(ends.map(({ state }) => state), ["again", "ran"]);
});
