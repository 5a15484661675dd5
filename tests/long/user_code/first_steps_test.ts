import { assertEquals, assertStringIncludes } from "@std/assert";
import { Project } from "../../support/project.ts";
import { OWN_SCIENCE, ownProject } from "../../support/own_science.ts";

const CLUSTER = (root: string) => `engine: slurm\ncache: ${root}/shared\nsetup: [module load deno]\n`;

Deno.test("validate lists the right to native code of definitions, as plan and run ask for it", async () => {
  await using project = ownProject(OWN_SCIENCE);
  const native = ["--set", "vars.device=onnx"];
  const listed = await project.cli(["validate", "p.yaml", ...native, "--json"]);
  const planned = await project.cli(["plan", "p.yaml", ...native, "--json"]);
  assertEquals(listed.json.rights.length > 0, true);
  assertEquals(listed.json.rights, planned.json.rights);
  const { stdout } = await project.cli(["validate", "p.yaml", ...native]);
  assertStringIncludes(stdout, "--grant train:native --grant sample:native");
});

Deno.test("run --on asks for the grants before the queue; without Slurm it ends as validate does", async () => {
  await using project = new Project({
    stages: ["walk"],
    files: { "p.yaml": "name: demo\nstages: { a: { uses: ./walk.ts } }\n" },
  });
  // A queue that would be waited for.
  project.write("bin/squeue", "#!/bin/sh\necho asked >> asked\necho down >&2\nexit 1\n");
  project.write("clusters/lab.yaml", CLUSTER(project.root));
  Deno.chmodSync(project.path("bin/squeue"), 0o755);
  const call = (command: string, path: string, ...more: string[]) =>
    project.cli([command, "p.yaml", "--on", "lab", ...more], { env: { PATH: path } });
  const refused = await Promise.all(["run", "validate"].map((command) => call(command, project.path("bin"))));
  for (const { code, stderr } of refused) {
    assertEquals([code, stderr], [2, refused[1]!.stderr]);
    assertStringIncludes(stderr, "--grant clusters/lab.yaml:jobs=");
  }
  assertEquals(project.exists("asked"), false);
  const grant = /--grant \S+/.exec(refused[0]!.stderr)![0].split(" ");
  for (const command of ["run", "validate"]) {
    const { code, stderr } = await call(command, project.path("none"), ...grant);
    assertEquals(code, 2, stderr);
    assertStringIncludes(
      stderr.replace(/squeue|scontrol/, "X"),
      "error: the queue does not answer: there is no X on the PATH of ",
    );
    assertStringIncludes(stderr, "fix:    run it on a machine that has Slurm's commands");
  }
});
