import { assertEquals, assertStringIncludes } from "@std/assert";
import { cachedDigests } from "../support/cluster.ts";
import { DEFINITIONS, OWN_SCIENCE } from "../support/own_science.ts";
import { clusterTest } from "./support/slurm_cluster.ts";

clusterTest("science of one's own travels to the nodes, and comes out as it does here", {}, async (cluster) => {
  const project = cluster.project({ files: { "p.yaml": OWN_SCIENCE } });
  for (const name of DEFINITIONS) project.copy(`tests/support/definitions/${name}`, name);
  const set = ["--set", "vars.device=onnx"];
  const refused = await cluster.cli(project, ["run", "p.yaml", "--on", "lab", ...set]);
  assertEquals(refused.code, 2, refused.stdout + refused.stderr);
  const granted = ["--grant", "train:native", "--grant", "sample:native"];
  assertStringIncludes(refused.stderr, `; if you trust it: ${granted.join(" ")}\n`);
  const ran = await cluster.cli(project, ["run", "p.yaml", "--on", "lab", ...set, ...granted]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  // A new comment must not make the nodes get new code.
  project.write("lib/one.ts", `// One.\n${project.read("lib/one.ts")}`);
  assertStringIncludes((await cluster.cli(project, ["run", "p.yaml", "--on", "lab", ...set])).stdout, "nothing to do");
  const cache = project.path("own-cache");
  const local = ["--store", project.path("own-store"), "--cache", cache, ...granted];
  const alone = await project.cli(["run", "p.yaml", ...set, ...local], { env: { XDG_CONFIG_HOME: project.root } });
  assertEquals(alone.code, 0, alone.stdout + alone.stderr);
  assertEquals(cachedDigests(cluster.cache), cachedDigests(cache));
});
