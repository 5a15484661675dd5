import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Metrics } from "../../../artifacts/metrics.ts";
import { decodePng } from "../../../formats/png_decoder.ts";
import { Project } from "../../support/project.ts";

/** Runs a pipeline of data that is no image, outside the clone, with few steps. */
async function runShort(name: string): Promise<{ project: Project; output: string } & AsyncDisposable> {
  const project = new Project();
  for (const file of [`${name}.yaml`, "points_mlp.ts", "stages/make_toy.ts"]) project.copy(`pipelines/${file}`, file);
  const changes = ["train.steps=300", "train.learningRateDecay.until=300", "train.preview.every=100"];
  const args = [`${name}.yaml`, ...changes.flatMap((change) => ["--set", change])];
  const grants = ["train", "sample"].flatMap((stage) => ["--grant", `${stage}:native`]);
  const ran = await project.cli(["run", ...args, ...grants]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  assertStringIncludes(ran.stdout + ran.stderr, "3 previews took");
  assertStringIncludes((await project.cli(["plan", ...args])).stdout, "nothing to do");
  return { project, output: ran.stdout, [Symbol.asyncDispose]: () => project[Symbol.asyncDispose]() };
}

function pictureOf(project: Project, path: string): readonly [width: number, height: number] {
  const { width, height } = decodePng(Deno.readFileSync(project.path("outputs", path)));
  return [width, height];
}

function scoresOf(project: Project, name: string): Record<string, number> {
  const { metrics } = JSON.parse(project.read(`outputs/${name}/score/metrics.json`)) as Metrics;
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
}

Deno.test("points.yaml trains on points, samples them in their own units, and shows noise become moons", async () => {
  await using run = await runShort("points");
  const { project } = run;
  // Squares of 192 pixels for each of 9 frames, and of 384 for a set; 2 pixels around each.
  assertEquals(pictureOf(project, "points/sample/trajectory.png"), [9 * 194 + 2, 196]);
  assertEquals(pictureOf(project, "points/sample/grid.png"), [388, 388]);
  assertEquals(pictureOf(project, "points/moons/images.png"), [388, 388]);
  const scores = scoresOf(project, "points");
  assertEquals(Object.keys(scores), ["energy-distance", "sliced-Wasserstein-2", "MMD2-Gaussian"]);
  // A Gaussian cloud of the moons' mean and deviations is at 0.046 (numpy, 5,000 points), other moons at 0.002.
  assert(scores["energy-distance"]! < 0.02, JSON.stringify(scores));
});

Deno.test("signals.yaml trains on signals, and shows each as a line", async () => {
  await using run = await runShort("signals");
  const { project } = run;
  // Plots of 128x80 pixels; 2 pixels around each.
  assertEquals(pictureOf(project, "signals/sample/trajectory.png"), [9 * 130 + 2, 6 * 82 + 2]);
  assertEquals(pictureOf(project, "signals/signals/images.png"), [8 * 130 + 2, 8 * 82 + 2]);
  const scores = scoresOf(project, "signals");
  assertEquals(Object.keys(scores), ["energy-distance", "sliced-Wasserstein-2", "MMD2-Gaussian"]);
  assert(Object.values(scores).every(Number.isFinite));
});
