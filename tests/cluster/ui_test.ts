import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { userOf, Visitor } from "../support/live_server.ts";
import { clusterTest, until } from "./support/slurm_cluster.ts";

/** A pipeline in which `walk` waits at its third step until it is stopped, and `after` waits for `walk`. */
const PIPELINE = `name: demo
stages:
  walk: { uses: ./walk.ts, with: { steps: 6, holdAt: 3 } }
  after: { uses: ./cook.ts, needs: walk, with: { text: a } }
`;

clusterTest("ui --on shows what was submitted to a cluster, with jobs that wait and run", {}, async (cluster) => {
  const project = cluster.project({ files: { "p.yaml": PIPELINE }, stages: ["walk", "cook"] });
  const env = await userOf(project);
  const run = await cluster.cli(project, ["run", "p.yaml", "--on", "lab", "--detach"]);
  assertEquals(run.code, 0, run.stderr);
  await using ui = cluster.start(project, ["ui", "--on", "lab"], { env });
  await ui.said("\n");
  const found = await cluster.cli(project, ["ui", "--on", "lab"], { env });
  const visitor = await Visitor.open(found.stdout.trim());
  const [id] = /(?<=\/run\/)[\w-]+/.exec(await visitor.text("/"))!;
  await until("walk at its third step, and after waiting for it", async () => {
    const html = await visitor.text(`/run/${id}`);
    return /3 of 6/.test(html) && /state waiting/.test(html) && /state running/.test(html) ? true : html;
  });
  assertStringIncludes(await visitor.text(`/run/${id}`), "lab");
  assertStringIncludes(await visitor.text(`/log/${id}/walk`), "walking");
  ui.signal("SIGINT");
  const { code, stderr } = await ui.outcome();
  assertEquals([code, stderr], [0, ""]);
  assert((await cluster.cli(project, ["cancel", "p.yaml", "--on", "lab"])).code === 0);
});
