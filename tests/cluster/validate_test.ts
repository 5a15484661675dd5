import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { clusterTest, until } from "./support/slurm_cluster.ts";

const PIPELINE = `name: demo
stages:
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  walk: { uses: ./walk.ts, with: { steps: 4 }, resources: { cpu: 2, memory: 1GiB }, timeout: 90s }
`;

clusterTest(
  "validate --on finds out in a short job whether the nodes have what the stages need",
  {},
  async (cluster) => {
    const project = cluster.project({ files: { "p.yaml": PIPELINE }, stages: ["walk"] });
    const good = await cluster.cli(project, ["validate", "p.yaml", "--on", "lab"]);
    assertEquals([good.code, good.stderr], [0, ""]);
    assertStringIncludes(good.stdout, "clusters/lab.yaml: lab can run it (Slurm 2");
    assert(/tried on n[12]\)/.test(good.stdout), good.stdout);
    const { cluster: told } = (await cluster.cli(project, ["validate", "p.yaml", "--on", "lab", "--json"])).json;
    assertEquals(told.needs, {
      schedule: { cpus: 1, gpus: 0, options: [] },
      walk: { cpus: 2, gpus: 0, memoryMiB: 1024 + 512, minutes: 2, options: [] },
    });
    assertEquals(told.partitions.length, 3);
    assertEquals(project.files(".noiseline"), [], "looking makes no store");
    assertEquals(Array.from(Deno.readDirSync(`${cluster.cache}/cluster/trials`)), []);

    // One trial for each partition that stages are sent to.
    const lab = JSON.parse(project.read("clusters/lab.yaml"));
    const write = (more: object) => project.write("clusters/lab.yaml", JSON.stringify({ ...lab, ...more }, null, 2));
    write({ partition: "cpu", kinds: { schedule: { partition: "gpu" } } });
    const { cluster: both } = (await cluster.cli(project, ["validate", "p.yaml", "--on", "lab", "--json"])).json;
    assertEquals(both.nodes.map((node: string) => node === "n3").sort(), [false, true]);

    // All errors are reported at once, each at its place.
    write({ scratch: "/no/scratch", deno: "/no/deno", kinds: { "./walk.ts": { resources: { gpu: 8 } } } });
    const bad = await cluster.cli(project, ["validate", "p.yaml", "--on", "lab"]);
    assertEquals(bad.code, 2);
    assertStringIncludes(bad.stderr, "p.yaml:4:");
    assertStringIncludes(bad.stderr, "gpu (default): 2 nodes");
    for (const key of ["deno", "scratch"]) {
      assert(new RegExp(`clusters/lab\\.yaml:\\d+:\\d+: error: node n[12] `).test(bad.stderr), bad.stderr);
      assertStringIncludes(bad.stderr, `"${key}": "/no/${key}"`);
    }
    assertEquals(bad.stderr.includes("the node's cache"), false);

    assertStringIncludes(bad.stderr, "2 CPUs, 1.5 GiB, 8 GPUs, 2 min");
    assertEquals(bad.stderr.match(/: error: /g)?.length, 3);

    write({ partition: "gpus", account: "nobody" });
    const nowhere = await cluster.cli(project, ["validate", "p.yaml", "--on", "lab"]);
    assertEquals([nowhere.code, nowhere.stderr.match(/: error: /g)?.length], [2, 1], nowhere.stderr);
    assertStringIncludes(nowhere.stderr.toLowerCase(), "invalid partition");
    assertStringIncludes(nowhere.stderr, 'did you mean "gpu"?');

    write({ setup: ["no-module load cuda"], logs: "/no/mount/logs", packages: "/no/packages" });
    const setup = await cluster.cli(project, ["validate", "p.yaml", "--on", "lab"]);
    assertEquals([setup.code, setup.stderr.match(/: error: /g)?.length], [2, 3], setup.stderr);
    assertStringIncludes(setup.stderr, ": no-module load cuda");
    assertStringIncludes(setup.stderr, "no-module: command not found");
    assertStringIncludes(setup.stderr, "DENO_DIR=/no/packages deno ");

    write({ cache: "/no/mount/cache" });
    for (const command of ["validate", "run"]) {
      const missing = await cluster.cli(project, [command, "p.yaml", "--on", "lab"]);
      assertEquals([missing.code, missing.stderr.match(/: error: /g)?.length], [2, 1], missing.stderr);
      assertStringIncludes(missing.stderr, "the folder above it is not there");
    }
    assertEquals(Array.from(Deno.readDirSync("/")).some(({ name }) => name === "no"), false, "nothing was made");

    write({});
    await cluster.stopController();
    const silent = await cluster.cli(project, ["validate", "p.yaml", "--on", "lab"]);
    assertEquals(silent.code, 1);
    assertStringIncludes(silent.stderr, "the queue does not answer");
  },
);

clusterTest("validate --on says why its job waits, and Ctrl-C takes the job back", {}, async (cluster) => {
  const project = cluster.project({ files: { "p.yaml": PIPELINE }, stages: ["walk"] });
  const busy = await cluster.sbatch(["--array=0-1", "--exclusive"], "sleep 60");
  await cluster.untilState(busy, "RUNNING");
  await using running = cluster.start(project, ["validate", "p.yaml", "--on", "lab"]);
  await until("the trial to wait", async () => {
    const trial = (await cluster.jobs()).find(({ name }) => name === "noiseline-trial");
    return trial?.state === "PENDING" && trial.reason !== "None";
  });
  await Promise.any(["(Resources)", "(Priority)"].map((reason) => running.said(reason, "stderr")));
  running.signal("SIGINT");
  const { code, stderr } = await running.outcome();
  assertEquals(code, 130);
  assert(/job \d+: .*\((Resources|Priority)\)/.test(stderr), stderr);
  await cluster.must("scancel", [busy]);
  await cluster.untilEmpty();
});

clusterTest("what is wrong with a cluster's file is said before anybody is asked", {}, async (cluster) => {
  const project = cluster.project({ files: { "p.yaml": PIPELINE }, stages: ["walk"] });
  const none = await cluster.cli(project, ["validate", "p.yaml", "--on", "lub"]);
  assertEquals(none.code, 2);
  assertStringIncludes(none.stderr, 'did you mean "lab"?');
  project.write("clusters/lab.yaml", "engine: slurm\ncache: relative\nkinds: { trian: {} }\n");
  for (const command of ["validate", "plan", "status", "cancel"]) {
    const wrong = await cluster.cli(project, [command, "p.yaml", "--on", "lab"]);
    assertEquals(wrong.code, 2, command);
    assertStringIncludes(wrong.stderr, "clusters/lab.yaml:2:8");
    assertStringIncludes(wrong.stderr, "clusters/lab.yaml:3:10");
  }
});

clusterTest("what a project's file says of jobs runs nowhere before it is granted", {}, async (cluster) => {
  const mark = `${cluster.cache}-mark`;
  const evil = { setup: [`touch ${mark}`] };
  const project = cluster.project({ files: { "p.yaml": PIPELINE }, stages: ["walk"], lab: evil });
  const call = (...args: string[]) => project.cli([...args, "p.yaml", "--on", "lab"], { env: cluster.env });
  let flag: string[] = [];
  for (const command of ["validate", "run"]) {
    const { code, stderr } = await call(command);
    assertEquals(code, 2, stderr);
    flag = /--grant (clusters\/lab\.yaml:jobs=[0-9a-f]{64})\n/.exec(stderr)!.slice(1);
    assert(!project.exists(".config"), "nothing is remembered");
  }
  // Looking at existing jobs and results needs no right.
  for (const command of ["plan", "status"]) assertEquals((await call(command)).code, 0);
  assertEquals((await cluster.jobs()).length, 0);
  const wrong = await call("validate", "--grant", "clusters/lab.yaml:jobs=0");
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.stderr, `it asks for ${flag[0]!.split(":")[1]}`);
  await assertRejects(() => Deno.stat(mark));
  const granted = await call("validate", "--grant", flag[0]!);
  assertEquals(granted.code, 0, granted.stderr);
  assert(Deno.statSync(mark).isFile);
  // The grant is remembered until the file changes.
  assertEquals((await call("validate")).code, 0);
  project.write("clusters/lab.yaml", `${project.read("clusters/lab.yaml")}\n`);
  assertEquals((await call("validate")).code, 2);
});
