import { assert, assertEquals } from "@std/assert";
import type { Metrics } from "../../../artifacts/metrics.ts";
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
