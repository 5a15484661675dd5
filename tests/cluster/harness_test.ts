import { assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { isAlive, isRoot, skipUnless } from "../support/proc.ts";
import { clusterAbsence, clusterTest, type Node, SlurmCluster, until } from "./support/slurm_cluster.ts";

clusterTest("jobs run in order, GPUs are a limit, and two clusters know nothing of each other", {}, async (cluster) => {
  const out = join(cluster.folder, "out");
  const first = await cluster.sbatch(["--partition=cpu", `--output=${out}`], "echo first");
  const second = await cluster.sbatch(
    [`--dependency=afterok:${first}`, "--gres=gpu:1", `--output=${out}`, "--open-mode=append"],
    "echo on $CUDA_VISIBLE_DEVICES",
  );
  await cluster.untilState(second, "COMPLETED");
  assertEquals(Deno.readTextFileSync(out), "first\non 0\n");
  const three = await cluster.sbatch(["--array=0-2", "--gres=gpu:2"], "sleep 60");
  await until("two of three to run", async () => {
    const states = (await cluster.job(three)).map(({ state }) => state).sort().join();
    return states === "PENDING,RUNNING,RUNNING" ? true : states;
  });
  await using other = await SlurmCluster.start();
  assertEquals(await other.jobs(), []);
  await cluster.must("scancel", [three]);
  await cluster.untilState(three, "CANCELLED");
});

clusterTest("a node that is taken out gives its job to another, and comes back", {}, async (cluster) => {
  const out = join(cluster.folder, "out");
  const args = ["--requeue", "--open-mode=append", `--output=${out}`];
  const job = await cluster.sbatch(args, "echo $SLURMD_NODENAME; [ ${SLURM_RESTART_COUNT:-0} -gt 0 ] || sleep 60");
  await until("its first line", () => Deno.readTextFile(out).then((text) => text !== "", () => false));
  const first = (await cluster.job(job))[0]!.node as Node;
  await cluster.nodeDown(first);
  await cluster.untilState(job, "COMPLETED");
  const [one, two] = Deno.readTextFileSync(out).split("\n");
  assertEquals(one, first);
  assertNotEquals(two, first);
  await cluster.nodeUp(first);
});

clusterTest("jobs that give way are cancelled where the cluster is so", {
  preempted: "CANCEL",
}, async (cluster) => {
  const weak = await cluster.sbatch(["--partition=scavenge", "--array=0-1", "--gres=gpu:2"], "sleep 60");
  await cluster.untilState(weak, "RUNNING");
  const strong = await cluster.sbatch(["--gres=gpu:2"], "true");
  await cluster.untilState(strong, "COMPLETED");
  const states = (await cluster.job(weak)).map(({ state }) => state).sort();
  assertEquals(states, ["PREEMPTED", "RUNNING"]);
});

clusterTest("a controller that is stopped or frozen", {}, async (cluster) => {
  const before = await cluster.sbatch([], "sleep 3");
  await cluster.untilState(before, "RUNNING");
  await cluster.stopController();
  assertEquals((await cluster.call("squeue", [])).code, 1);
  await cluster.startController();
  cluster.freezeController();
  const late = await cluster.call("sbatch", ["--job-name=late", "--output=/dev/null"], { stdin: "#!/bin/sh\n" });
  assertEquals(late.code, 1);
  assertStringIncludes(late.stderr, "Socket timed out");
  cluster.thawController();
  await until("the job that got no answer", async () => (await cluster.jobs()).some(({ name }) => name === "late"));
  await cluster.untilState(before, "COMPLETED");
});

clusterTest("a node that is cut off runs on and comes back", { namespaces: true }, async (cluster) => {
  const out = join(cluster.folder, "out");
  const job = await cluster.sbatch([`--output=${out}`], "hostname; while sleep 0.2; do echo alive; done");
  await cluster.untilState(job, "RUNNING");
  // For the controller, a job runs as soon as it has a node; its script and its output file start later.
  await until("output", () => Deno.stat(out).then(({ size }) => size > 20, () => false));
  const node = (await cluster.job(job))[0]!.node as Node;
  await cluster.cut(node);
  const { size } = Deno.statSync(out);
  await until("more output", async () => Deno.statSync(out).size > size + 100);
  assertEquals(Deno.readTextFileSync(out).split("\n")[0], node);
  await cluster.heal(node);
});

clusterTest("accounting tells of jobs, also after it was away", { accounting: "limits" }, async (cluster) => {
  await cluster.stopAccounting();
  assertEquals((await cluster.call("sacct", [])).code, 1);
  const job = await cluster.sbatch([], "true");
  await cluster.untilState(job, "COMPLETED");
  await cluster.startAccounting();
  const args = ["--noheader", "--parsable2", "--allocations", `--jobs=${job}`, "--format=JobID,State"];
  await until("its record", async () => (await cluster.must("sacct", args)).trim() === `${job}|COMPLETED`);
});

clusterTest("the command line runs in a project with the cluster's file, as another user too", {}, async (cluster) => {
  const file = "name: demo\nstages:\n  noise: { uses: schedule, with: { betas: ldm/cosine, timesteps: 20 } }\n";
  const project = cluster.project({ files: { "p.yaml": file }, lab: { partition: "cpu" } });
  assertStringIncludes(project.read("clusters/lab.yaml"), cluster.cache);
  assertEquals((await cluster.cli(project, ["run", "p.yaml", "--cache", cluster.cache])).code, 0);
  if (skipUnless(isRoot(), "only root can be two users")) return;
  const theirs = cluster.project({ files: { "p.yaml": file } });
  const { code, stderr } = await cluster.cli(theirs, ["run", "p.yaml"], await cluster.asOther(theirs));
  assertEquals(code, 0, stderr);
  assertEquals(Deno.statSync(theirs.path(".noiseline")).uid, Deno.statSync(theirs.root).uid);
  assertNotEquals(Deno.statSync(theirs.root).uid, Deno.uid());
});

const absence = clusterAbsence({ namespaces: true });

Deno.test({
  name: `${absence === undefined ? "" : `skipped: ${absence}: `}nothing is left of a cluster in a bad state`,
  ignore: absence !== undefined,
  fn: async () => {
    const cluster = await SlurmCluster.start({ namespaces: true });
    const file = join(cluster.folder, "pid");
    const job = await cluster.sbatch([], `trap '' TERM; sleep 600 & echo $! > ${file}; wait`);
    await until("its process", () => Deno.readTextFile(file).then((text) => text.endsWith("\n"), () => false));
    const pid = Number(Deno.readTextFileSync(file));
    const node = (await cluster.job(job))[0]!.node as Node;
    assertEquals(isAlive(pid), true);
    await cluster.killSlurmd(node);
    await cluster.cut("n3");
    cluster.freezeController();
    await cluster[Symbol.asyncDispose]();
    assertEquals(isAlive(pid), false);
    const { stdout } = await new Deno.Command("ip", { args: ["-oneline", "link"] }).output();
    assertEquals(new TextDecoder().decode(stdout).includes(cluster.prefix), false);
  },
});
