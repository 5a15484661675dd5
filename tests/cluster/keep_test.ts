import { assertEquals, assertMatch } from "@std/assert";
import { clusterTest } from "./support/slurm_cluster.ts";

const PIPELINE = `name: demo
stages:
  walk: { uses: ./walk.ts }
  twice: { uses: ./twice.ts, inputs: { from: walk } }
`;

clusterTest("a job reads the result that is kept, and its own carries the mark", {}, async (cluster) => {
  const project = cluster.project({ stages: ["walk"], files: { "p.yaml": PIPELINE, "twice.ts": READER } });
  const cli = async (...args: string[]) => {
    const end = await cluster.cli(project, args);
    assertEquals(end.code, 0, end.stdout + end.stderr);
    return end;
  };
  await cli("run", "p.yaml", "walk");
  const walked = project.read("outputs/demo/walk/last.txt");
  project.write("walk.ts", project.read("walk.ts").replace("${state} ", "${state} b "));
  await cli("keep", "p.yaml", "walk");
  await cli("run", "p.yaml", "--on", "lab");
  assertMatch((await cli("run", "p.yaml", "--on", "lab")).stdout, /nothing to do/);
  await cli("run", "p.yaml", "--cache", cluster.cache);
  assertEquals(project.read("outputs/demo/twice/last.txt"), walked + walked);
  // The new code makes its own, though the cache has what was made from the other.
  await cli("keep", "p.yaml", "walk", "--undo");
  await cli("run", "p.yaml", "twice", "--on", "lab");
  await cli("run", "p.yaml", "twice", "--cache", cluster.cache);
  const again = project.read("outputs/demo/walk/last.txt");
  assertEquals([again === walked, project.read("outputs/demo/twice/last.txt")], [false, again + again]);
});

const READER = `import { defineStage } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Writes a text twice",
  params: z.strictObject({}),
  inputs: { from: { type: "files", description: "Any" } },
  outputs: { out: { type: "files", description: "Twice as much" } },
  async run({ inputs, outputs }) {
    const text = new TextDecoder().decode(await inputs.from.read("last.txt"));
    await outputs.out.write("last.txt", text + text);
    return undefined;
  },
});
`;
