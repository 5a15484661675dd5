import { assertEquals, assertStringIncludes } from "@std/assert";
import { cachedDigests } from "../support/cluster.ts";
import { NO_PYTHON } from "../support/commands.ts";
import { clusterTest } from "./support/slurm_cluster.ts";

const PIPELINE = `name: demo
stages:
  count:
    uses: command
    matrix: { seed: [1, 2] }
    seed: "\${matrix.seed}"
    with:
      run: [python3, count.py]
      sources: ["*.py"]
      lock: lock.txt
      steps: 20
      outputs: { out: files }
      resumes: true
  copy:
    uses: command
    inputs: { from: count }
    with: { run: [cp, "\${inputs.from}/total.txt", "\${outputs.to}/"], outputs: { to: files } }
`;

const NAME = "programs travel to the nodes with their sources, and come out as they do here";

clusterTest(NAME, { absence: NO_PYTHON }, async (cluster) => {
  const project = cluster.project({ files: { "p.yaml": PIPELINE, "lock.txt": "# nothing\n" } });
  for (const name of ["count.py", "mix.py"]) project.copy(`tests/support/stages/${name}`, name);
  const refused = await cluster.cli(project, ["run", "p.yaml", "--on", "lab"]);
  assertEquals(refused.code, 2, refused.stdout + refused.stderr);
  assertStringIncludes(refused.stderr, "p.yaml asks for rights that you have not granted");
  const granted = ["--grant", "count:run=python3,run=cp"];
  const ran = await cluster.cli(project, ["run", "p.yaml", "--on", "lab", ...granted]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  assertStringIncludes((await cluster.cli(project, ["run", "p.yaml", "--on", "lab"])).stdout, "nothing to do");
  const cache = project.path("own-cache");
  const local = ["--store", project.path("own-store"), "--cache", cache, ...granted];
  const alone = await project.cli(["run", "p.yaml", ...local], { env: { XDG_CONFIG_HOME: project.root } });
  assertEquals(alone.code, 0, alone.stdout + alone.stderr);
  assertEquals(cachedDigests(cluster.cache), cachedDigests(cache));
});
