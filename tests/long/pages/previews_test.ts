import { assert, assertEquals } from "@std/assert";
import type { Json } from "../../support/cli_process.ts";
import { OWN_SCIENCE, ownProject } from "../../support/own_science.ts";
import { digestsOf, type Project } from "../../support/project.ts";

const withPreview = (steps: number, preview: string) =>
  OWN_SCIENCE.replace("steps: 6", `steps: ${steps}\n${preview === "" ? "" : `      preview: ${preview}\n`}`);
const PREVIEW = "{ every: 4, count: 2, sampler: { name: ddim, steps: 2 } }";

async function plan(project: Project, ...stages: string[]): Promise<Json> {
  return (await project.cli(["plan", "p.yaml", ...stages, "--json"])).json;
}

const previewsOf = (project: Project) =>
  project.files(".noiseline/runs").filter((name) => name.endsWith(".png")).map((name) => name.split("/").slice(-3));

Deno.test("adding, changing and removing previews reruns nothing", async () => {
  await using project = ownProject(withPreview(6, ""));
  assertEquals((await project.cli(["run", "p.yaml"])).code, 0);
  const before = digestsOf(await plan(project));
  const edits = ["{ every: 2 }", "{ every: 3, count: 4, sampler: { name: heun, steps: 4 } }", PREVIEW, ""];
  for (const preview of edits) {
    project.write("p.yaml", withPreview(6, preview));
    const planned = await plan(project);
    assertEquals(new Set(planned.stages.map(({ state }: Json) => state)), new Set(["cached"]), preview);
    assertEquals(digestsOf(planned), before);
  }
  project.write("p.yaml", withPreview(6, "{ every: 0, sampler: { name: ddim, steps: 0 } }"));
  const { code, json } = await project.cli(["plan", "p.yaml", "--json"]);
  assertEquals(code, 2);
  const places = json.diagnostics.map(({ path }: Json) => path);
  assertEquals(places, ["stages.train.with.preview.every", "stages.train.with.preview.sampler.steps"]);
});

Deno.test("a training that is killed while it draws previews goes on to the bytes and the previews of one that was not", async () => {
  await using project = ownProject(withPreview(12, PREVIEW));
  const running = project.start(["run", "p.yaml", "train", "--json"]);
  await running.event(({ type, step }: Json) => type === "stage-preview" && step === 8);
  running.signal("SIGKILL");
  await running.outcome();
  const resumed = await project.cli(["run", "p.yaml", "train", "--json"]);
  assertEquals(resumed.code, 0, resumed.stderr);
  await using other = ownProject(withPreview(12, PREVIEW));
  const whole = await other.cli(["run", "p.yaml", "train"]);
  assertEquals(whole.code, 0, whole.stderr);
  assert(/3 previews took [\d.]+ s of [\d.]+ s/.test(whole.stdout + whole.stderr), whole.stderr);
  assertEquals(previewsOf(other), ["12", "4", "8"].map((step) => ["previews", "train", `${step}.png`]));
  const names = new Set(previewsOf(project).map((parts) => parts.join("/")));
  assertEquals([...names].sort(), previewsOf(other).map((parts) => parts.join("/")));
  assertEquals(digestsOf(await plan(project, "train")), digestsOf(await plan(other, "train")));

  await using without = ownProject(withPreview(12, ""));
  assertEquals((await without.cli(["run", "p.yaml", "train"])).code, 0);
  assertEquals(digestsOf(await plan(without, "train")), digestsOf(await plan(other, "train")));
});
