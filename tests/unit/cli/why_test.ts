import { assertEquals, assertStringIncludes } from "@std/assert";
import { Project } from "../../support/project.ts";
import { runCli } from "./capture.ts";

const YAML = `name: p
stages:
  noise: { uses: schedule, with: { betas: { path: betas.json } } }
`;

Deno.test("a file that lies within a param is told by its place in the pipeline", async () => {
  await using project = new Project({ files: { "p.yaml": YAML, "betas.json": "[0.1, 0.5, 0.9, 0.99]" } });
  const file = project.path("p.yaml");
  assertEquals((await runCli("run", file)).code, 0);
  await Deno.writeTextFile(project.path("betas.json"), "[0.1, 0.5, 0.9, 0.999]");
  const { out } = await runCli("why", file, "noise");
  assertStringIncludes(out, 'because of external betas["path"]: other content');
  assertStringIncludes(out, `    from ${file}:3:51\n`);
});
