import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { encode } from "fast-png";
import type { Metrics } from "../../../artifacts/metrics.ts";
import { encodeNpy } from "../../../science/formats/npy.ts";
import { decodePng } from "../../../science/formats/png_decoder.ts";
import { decodeSafetensors } from "../../../science/formats/safetensors.ts";
import { Project } from "../../support/project.ts";

/** Runs a pipeline of data that is no image, outside the clone, with few steps. */
async function runShort(
  name: string,
  steps: number,
  options: readonly string[],
  files: Readonly<Record<string, Uint8Array>> = {},
): Promise<{ project: Project; output: string } & AsyncDisposable> {
  const project = new Project();
  const copied = [`${name}.yaml`, "points_mlp.ts", "stages/make_moons.ts"];
  for (const file of copied) project.copy(`pipelines/${file}`, file);
  for (const [file, bytes] of Object.entries(files)) project.write(file, bytes);
  const changes = ["steps", "learningRateDecay.until"].map((param) => `train.${param}=${steps}`)
    .concat(`train.preview.every=${steps / 3}`);
  const args = [`${name}.yaml`, ...changes.flatMap((change) => ["--set", change])];
  const ran = await project.cli(["run", ...args, ...options]);
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
  await using run = await runShort("points", 300, ["--grant", "train:native"]);
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

Deno.test("signals.yaml trains on signals of an array, and shows each as a line", async () => {
  // As MNIST-1D's: 40 numbers each, of mean 0 and deviation 1 over all.
  const data = Float32Array.from({ length: 2_000 * 40 }, (_, at) => {
    const [i, place] = [Math.floor(at / 40), at % 40];
    return Math.SQRT2 * Math.sin((1 + i % 10) * place / 10 + i);
  });
  await using run = await runShort("signals", 30, [], { "mnist1d.npy": encodeNpy({ shape: [2_000, 40], data }) });
  const { project } = run;
  // Plots of 128x80 pixels; 2 pixels around each.
  assertEquals(pictureOf(project, "signals/sample/trajectory.png"), [9 * 130 + 2, 6 * 82 + 2]);
  assertEquals(pictureOf(project, "signals/signals/train/preview.png"), [8 * 130 + 2, 8 * 82 + 2]);
  const page = project.read("outputs/signals/report.html");
  for (const note of ["512 signals of length 40", "1,000 signals of length 40; numpy"]) {
    assertStringIncludes(page, note);
  }
  const scores = scoresOf(project, "signals");
  assertEquals(Object.keys(scores), ["energy-distance", "sliced-Wasserstein-2", "MMD2-Gaussian"]);
  assert(Object.values(scores).every(Number.isFinite));
});

Deno.test("slices16.yaml trains on 16-bit grey, and samples in the units of the scanner, in its small profile", async () => {
  await using project = new Project();
  project.copy("pipelines/slices16.yaml", "slices16.yaml");
  // Slices as those of the scan: 96x128, black but for a disc, with values up to about 1,100.
  for (let slice = 0; slice < 20; slice++) {
    const data = Uint16Array.from({ length: 96 * 128 }, (_, at) => {
      const [y, x] = [Math.floor(at / 128) - 48, at % 128 - 64];
      return Math.hypot(x, y) < 20 + slice ? 600 + 25 * slice : 0;
    });
    project.write(`slices16/${slice}.png`, encode({ width: 128, height: 96, channels: 1, depth: 16, data }));
  }
  const { code, stdout, stderr } = await project.cli(["run", "slices16.yaml", "--profile", "small"]);
  assertEquals(code, 0, stdout + stderr);
  const info = JSON.parse(project.read("outputs/slices16/sample/images.json"));
  assertEquals([info.dtype, info.height, info.width, info.channels], ["uint16", 16, 12, 1]);
  assertEquals(info.normalizer, { how: "range", scale: [500], shift: [1] });
  const bytes = Deno.readFileSync(project.path("outputs/slices16/sample/images.safetensors"));
  const { images } = decodeSafetensors(bytes).tensors;
  // The declared range clips samples: nothing is above 1,000, and something is above what 8 bits hold.
  const most = Math.max(...images!.data as Uint16Array);
  assert(most > 255 && most <= 1_000, `${most}`);
  const { metrics } = JSON.parse(project.read("outputs/slices16/evaluate/metrics.json")) as Metrics;
  assert(metrics.find(({ name }) => name === "bits/dim of 16 bits")!.value > 0);
  const page = project.read("outputs/slices16/report.html");
  for (const note of ["4 images of 16x12, uint16", "18 images of 16x12, uint16; folder"]) {
    assertStringIncludes(page, note);
  }
});

Deno.test("own-images.yaml goes from a folder of images to scores and a page, in its small profile", async () => {
  await using project = new Project();
  project.copy("pipelines/own-images.yaml", "own-images.yaml");
  for (let i = 0; i < 48; i++) {
    const data = Uint8Array.from({ length: 20 * 24 * 3 }, (_, at) => (at * (i + 3)) % 251);
    project.write(`images/${"ab"[i % 2]}/${i}.png`, encode({ width: 24, height: 20, channels: 3, depth: 8, data }));
  }
  const { code, stdout, stderr } = await project.cli(["run", "own-images.yaml", "--profile", "small"]);
  assertEquals(code, 0, stdout + stderr);
  assertStringIncludes(stdout, "FD-pixels");
  for (const page of ["report.html", "demo/demo.html"]) {
    assert(project.read(`outputs/own-images/${page}`).length > 1000);
  }
});
