import { assertEquals, assertStringIncludes } from "@std/assert";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { Project } from "../../support/project.ts";
import { runCli } from "../cli/capture.ts";

const MODEL = "{ channels: 8, multipliers: [1, 2], blocks: 1, latentChannels: 2 }";
const autoencoderOf = (more: string) =>
  `{ uses: autoencoder, inputs: { images: set.train }, with: { model: ${MODEL}, steps: 1, batchSize: 2, ${more} } }`;

/** A pipeline whose latents are those of stage `own`, decoded by another stage; the text of both stages as they are. */
const pipeline = (own: string, decoder: string, weights = "ema") =>
  `name: p
stages:
  set: { uses: dataset, with: { source: folder, path: pictures, labels: none, channels: 1 } }
  schedule: { uses: schedule, with: { betas: ldm/linear, timesteps: 1250 } }
  own: ${own}
  decoder: ${decoder}
  latents: { uses: encode, inputs: { images: set.train, autoencoder: own } }
  train:
    uses: train
    inputs: { images: latents, schedule: schedule }
    with: { objective: v, steps: 1, batchSize: 1, model: { channels: 4, multipliers: [1], blocks: 1, attention: [] } }
  drawn: { uses: sample, inputs: { checkpoint: train, autoencoder: decoder }, with: { count: 4 } }
  decode: { uses: decode, inputs: { samples: drawn, autoencoder: decoder }, with: { weights: ${weights} } }
`;

async function validate(yaml: string, side = 4) {
  await using project = new Project();
  const png = encodePng({ width: side, height: side, channels: 1, data: new Uint8Array(side ** 2) });
  for (const name of ["a", "b", "c"]) project.write(`pictures/${name}.png`, png);
  project.write("p.yaml", yaml);
  return await runCli("validate", project.path("p.yaml"));
}

Deno.test("the decoder of another encoder is refused before anything runs, with both stages", async () => {
  const own = autoencoderOf("gradClip: 100");
  const { code, error } = await validate(pipeline(own, autoencoderOf("gradClip: 10")));
  assertEquals(code, 2);
  for (const [stage, by] of [["drawn", ""], ["decode", ", ema weights"]]) {
    assertStringIncludes(error, `stage "${stage}": the autoencoder has other latents`);
    assertStringIncludes(error, `got:    latents of stage own${by}\n`);
    assertStringIncludes(error, `wanted: latents of stage decoder${by}\n`);
  }
  const raw = await validate(pipeline(own, own, "raw"));
  assertStringIncludes(raw.error, "got:    latents of stage own, ema weights\n");
  assertStringIncludes(raw.error, "wanted: latents of stage own, raw weights\n");
  assertEquals(raw.error.match(/: error: /g)?.length, 1, raw.error);
});

Deno.test("a stage that makes the same autoencoder decodes, also one that saves more often or shows previews", async () => {
  const same = autoencoderOf("gradClip: 100, saveEverySeconds: 5, preview: { every: 1, count: 2 }");
  const { code, error } = await validate(pipeline(autoencoderOf("gradClip: 100"), same));
  assertEquals([code, error], [0, ""]);
});

Deno.test("sides that the factor does not divide are refused before anything runs, also of images as they are", async () => {
  const own = autoencoderOf("gradClip: 100");
  const { code, error } = await validate(pipeline(own, own), 5);
  assertEquals(code, 2);
  assertStringIncludes(error, "the autoencoder does not fit images of 5x5x1: model.multipliers");
});

Deno.test("a clip of 1 for a loss that is a sum over an image is noted", async () => {
  const note = "gradClip 1 shortens almost every gradient: the loss is a sum over an image";
  for (const [more, noted] of [["", true], ["loss: { over: mean }", false], ["gradClip: 50", false]] as const) {
    const { out, error } = await validate(pipeline(autoencoderOf(more), autoencoderOf(more)));
    assertEquals(`${out}${error}`.includes(note), noted, more);
  }
});
