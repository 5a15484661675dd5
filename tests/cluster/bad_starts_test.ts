import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { clusterTest, until } from "./support/slurm_cluster.ts";

const COOK = `name: p\nstages:\n  a: { uses: ./cook.ts, with: { text: a } }\n`;

clusterTest("jobs that start while the cache folder is away wait for it, and end well", {}, async (cluster) => {
  const project = cluster.project({ files: { "p.yaml": COOK }, stages: ["cook"] });
  const hold = (state: string) => cluster.must("scontrol", ["update", "partitionname=gpu", `state=${state}`]);
  await hold("DOWN");
  await using running = cluster.start(project, ["run", "p.yaml", "--on", "lab"]);
  await running.said("jobs: 0 running");
  const away = `${cluster.cache}.away`;
  Deno.renameSync(cluster.cache, away);
  await hold("UP");
  await until("the job to run", async () => (await cluster.jobs()).some(({ state }) => state === "RUNNING"));
  Deno.renameSync(away, cluster.cache);
  const { code, stdout, stderr } = await running.outcome();
  assertEquals(code, 0, stdout + stderr);
  assertEquals((await cluster.jobs()).map(({ state }) => state), ["COMPLETED"]);
});

clusterTest("a node without Deno is named, and left out once two jobs ended there", {}, async (cluster) => {
  const deno = join(cluster.folder, "deno");
  const script = `#!/bin/sh\n[ $SLURMD_NODENAME != n1 ] || exec /no/deno "$@"\nexec '${Deno.execPath()}' "$@"\n`;
  Deno.writeTextFileSync(deno, script, { mode: 0o755 });
  const project = cluster.project({ files: { "p.yaml": COOK }, stages: ["cook"], lab: { deno } });
  const run = () => cluster.cli(project, ["run", "p.yaml", "--on", "lab"]);
  for (let tries = 0; tries < 2; tries++) {
    const { code, stdout, stderr } = await run();
    assertEquals(code, 1, stdout + stderr);
    assertMatch(stdout + stderr, /its job \d+ ended \(FAILED\) on n1 and left no record; .* ends:\n.*\/no\/deno/);
    // Nothing was saved, so nothing is said about that.
    assertMatch(stdout + stderr, /run again with --on$/m);
  }
  const { code, stdout, stderr } = await run();
  assertEquals(code, 0, stdout + stderr);
  assertStringIncludes(stdout + stderr, "left out, as jobs ended there before they began, more than once: n1");
  assertEquals((await cluster.jobs()).find(({ state }) => state === "COMPLETED")!.node, "n2");
});
