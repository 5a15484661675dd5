import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import { dirname, join } from "node:path";
import { z } from "zod";
import { readAutoencoder, writeAutoencoder } from "../../../artifacts/autoencoder.ts";
import { openImages } from "../../../artifacts/image_files.ts";
import { readImages, writeImages } from "../../../artifacts/images.ts";
import { readLog } from "../../../artifacts/log.ts";
import type { InputArtifact } from "../../../engine/contract/stage.ts";
import { defineAutoencoder } from "../../../science/diffusion/define.ts";
import { BYTES, denormalize, type Normalizer } from "../../../science/diffusion/normalizer.ts";
import { folderArtifact, openInput, openOutput } from "../../../engine/process/context.ts";
import { decodePng } from "../../../science/formats/png_decoder.ts";
import { decodeSafetensors } from "../../../science/formats/safetensors.ts";
import { peakSignalToNoise, structuralSimilarity } from "../../../science/metrics/similarity.ts";
import { range } from "../../../science/metrics/vectors.ts";
import { collectArtifacts } from "../../../pages/report/collect.ts";
import {
  autoencoderKind,
  decodeKind,
  encodeKind,
  exportKind,
  importKind,
  scheduleKind,
  scoreKind,
  trainKind,
} from "../../support/builtin_kinds.ts";
import { digests, MemoryProgress, runStage, type StageOptions } from "../../support/stage_context.ts";
import { none, own, said } from "./own_definitions.ts";
import { assertAllClose } from "../science/diffusion/assert_close.ts";
import { made, MODEL, trainedOn, TRAINING } from "./small_latents.ts";
import { SMALL_TRAINING, smallImages, withFolder } from "./small_world.ts";

/** Takes blocks of 2x2 pixels to four channels, times a factor. It has nothing to learn. */
const blocks = defineAutoencoder({
  params: z.strictObject({ factor: z.number().default(1) }),
  build: ({ height, width, channels }, { factor }) => ({
    parameters: [],
    latent: { height: height / 2, width: width / 2, channels: 4 * channels },
    encode: ({ x }) => ({ mean: folded(x, factor) }),
    decode({ z }) {
      const pixels = tf.reshape(z, [-1, height / 2, width / 2, 2, 2, channels]);
      return tf.div(tf.reshape(tf.transpose(pixels, [0, 1, 3, 2, 4, 5]), [-1, height, width, channels]), factor);
    },
  }),
});

function folded(x: tf.Tensor, factor: number): tf.Tensor {
  const [, height, width, channels] = x.shape as [number, number, number, number];
  const pixels = tf.reshape(x, [-1, height / 2, 2, width / 2, 2, channels]);
  return tf.mul(
    tf.reshape(tf.transpose(pixels, [0, 1, 3, 2, 4, 5]), [-1, height / 2, width / 2, 4 * channels]),
    factor,
  );
}

const DEFINITIONS = own({ "./blocks.ts": blocks });
const blocksOf = (folder: string, images: InputArtifact, factor = 1) =>
  made(folder, autoencoderKind, {
    params: { model: { uses: "./blocks.ts", factor }, steps: 1, batchSize: 2 },
    inputs: { images },
    definitions: DEFINITIONS,
  });
const bytesOf = async (checkpoint: InputArtifact) =>
  await Promise.all(["weights", "ema"].map((name) => checkpoint.read(`${name}.safetensors`)));

for (const kind of ["kl", "vq"]) {
  Deno.test(`images become latents, samples of them, and images again (${kind})`, async () => {
    await withFolder(async (folder) => {
      const { train: images } = await smallImages(folder);
      const model = kind === "vq" ? { ...MODEL, kind, codes: 16 } : { ...MODEL, kind };
      const { end, outputs } = await runStage(folder, autoencoderKind, {
        params: { ...TRAINING, model },
        inputs: { images },
      });
      assertEquals(end, undefined);
      const [line] = await readLog(outputs["log"]!);
      const { loss, terms } = line as unknown as { loss: number; terms: Record<string, number> };
      const names = kind === "vq" ? ["codebook", "commitment", "reconstruction"] : ["reconstruction", "kl"];
      assertEquals(Object.keys(terms).sort(), names.sort());
      // The terms add up in float32.
      assertAllClose([Object.values(terms).reduce((sum, one) => sum + one, 0)], [loss], {
        rel: 1e-6,
        label: "the sum",
      });

      const autoencoder = outputs["autoencoder"]!;
      // The report has a curve of each term, and a picture of the first eight images beside their reconstructions.
      const shown = await collectArtifacts(
        [autoencoder, outputs["log"]!].map((artifact) => ({ title: "a", artifact })),
      );
      assertEquals(shown.unreadable, []);
      assertEquals(shown.curves[0]!.rows[0], {
        ...{ step: 1, loss, gradNorm: line!.gradNorm!, learningRate: TRAINING.learningRate },
        ...terms,
      });
      assertEquals(shown.samples.map(({ title }) => title), ["a: reconstructions"]);
      const { width, height } = decodePng(shown.samples[0]!.source as Uint8Array);
      // Images of 8x8 are shown in squares of 32.
      assertEquals([height, width], [2 + 2 * 34, 2 + 8 * 34]);
      const latents = await made(folder, encodeKind, { params: {}, inputs: { images, autoencoder } });
      using set = await openImages(latents);
      assertEquals([set.shape, set.dtype, set.info.classes], [[30, 4, 4, 2], "float32", 10]);
      const { samples } = await trainedOn(folder, latents);
      const decoded = await made(folder, decodeKind, { params: {}, inputs: { samples, autoencoder } });
      using result = await openImages(decoded);
      assertEquals([result.shape, result.dtype], [[4, 8, 8, 1], "uint8"]);
      // Mirror images are encoded after all others; latents themselves are not mirrored.
      const params = { flip: true, posterior: "mode" };
      using both = await openImages(await made(folder, encodeKind, { params, inputs: { images, autoencoder } }));
      assertEquals([both.info.count, [...both.labels!]], [60, [...set.labels!, ...set.labels!]]);
      assertEquals(both.rows([0, 29]), set.rows([0, 29]));
      assertNotEquals(both.rows([30]), both.rows([0]));
      const schedule = await made(folder, scheduleKind, { params: { betas: "ldm/cosine", timesteps: 50 }, inputs: {} });
      const flipping = { params: { ...SMALL_TRAINING, steps: 1, flip: true }, inputs: { images: latents, schedule } };
      assertStringIncludes(said(await runStage(folder, trainKind, flipping)), "not its mirrored latents");
      const wrong = await runStage(folder, decodeKind, { params: {}, inputs: { samples: images, autoencoder } });
      assertStringIncludes(said(wrong), "only latents can be decoded");
    });
  });
}

Deno.test("a training draws each latent anew from its Gaussian, with the deviation that the encoder gives", async () => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder);
    const autoencoder = await made(folder, autoencoderKind, { params: TRAINING, inputs: { images } });
    const encoded = async (params: Readonly<Record<string, unknown>>) =>
      await openImages(await made(folder, encodeKind, { params, inputs: { images, autoencoder } }));
    using drawn = await encoded({});
    using modes = await encoded({ posterior: "mode" });
    const all = Int32Array.from({ length: 30 }, (_, i) => i);
    assertEquals(drawn.rows(all), modes.rows(all));
    const [noise, at, ones] = [1, 0, 1].map((value) => new Float32Array(30 * drawn.size).fill(value));
    drawn.read(all, at!, drawn, new Float32Array(noise!.length));
    drawn.read(all, ones!, drawn, noise);
    const { normalizer: { scale } } = drawn;
    // A deviation is above 0, and is divided by the scale as the latent is.
    const deviations = ones!.map((value, i) => (value - at![i]!) * scale[i % 2]!);
    assert(deviations.every((one) => one > 0));
    // Moments are of drawn latents: variance of the means and mean of the variances.
    const channel = (values: Float32Array, c: number) => [...values.filter((_, i) => i % 2 === c)];
    const mean = (values: number[]) => values.reduce((sum, one) => sum + one, 0) / values.length;
    for (const c of [0, 1]) {
      const means = channel(modes.rows(all) as Float32Array, c);
      const variance = mean(means.map((one) => one ** 2)) - mean(means) ** 2;
      const inner = mean(channel(deviations, c).map((one) => one ** 2));
      // The deviations here were rounded to float32 and divided.
      assertAllClose([scale[c]!], [Math.sqrt(variance + inner)], { rel: 1e-5, label: `channel ${c}` });
    }
    assertNotEquals(drawn.normalizer.scale, modes.normalizer.scale);
  });
});

Deno.test("through a map of pixels to channels, latents give the bytes of images rearranged beforehand", async () => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder);
    const autoencoder = await blocksOf(folder, images);
    const definitions = DEFINITIONS;
    const encoding = { params: { normalize: { range: [-1, 1] } }, inputs: { images, autoencoder }, definitions };
    const latent = await trainedOn(folder, await made(folder, encodeKind, encoding));
    const { info, pixels } = await readImages(images);
    const place = join(folder, "rearranged");
    Deno.mkdirSync(place);
    const rearranged = Uint8Array.from({ length: pixels.length }, (_, at) => {
      const [image, y, x, part] = [at >> 6, at >> 4 & 3, at >> 2 & 3, at & 3];
      return pixels[image * 64 + (2 * y + (part >> 1)) * 8 + 2 * x + (part & 1)]!;
    });
    await writeImages(openOutput(place), {
      info: { height: 4, width: 4, channels: 4, source: info.source },
      pixels: rearranged,
    });
    const pixel = await trainedOn(folder, openInput(folderArtifact(place, "images")));
    assertEquals(await bytesOf(latent.checkpoint), await bytesOf(pixel.checkpoint));
    const decoding = { params: {}, inputs: { samples: latent.samples, autoencoder }, definitions };
    const decoded = await readImages(await made(folder, decodeKind, decoding));
    using latents = await openImages(latent.samples);
    const drawn = latents.rows(range(0, 4)) as Float32Array;
    assertEquals((await readImages(pixel.samples)).pixels, denormalize(drawn, BYTES), "samples are truncated");
    const rounded = denormalize(drawn, BYTES, "round");
    const rearrangedBack = Uint8Array.from({ length: 256 }, (_, at) => {
      const [image, y, x] = [at >> 6, at >> 3 & 7, at & 7];
      return rounded[image * 64 + (y >> 1) * 16 + (x >> 1) * 4 + (y & 1) * 2 + (x & 1)]!;
    });
    assertEquals(decoded.pixels, rearrangedBack, "decoded values are rounded");
  });
});

Deno.test("what is encoded and decoded by a map that loses nothing is the same bytes, under every normaliser", async () => {
  await withFolder(async (folder) => {
    const pixels = Uint8Array.from({ length: 2 * 256 }, (_, at) => at % 256);
    const found: Normalizer = { how: "moments", scale: [41.3], shift: [3.01] };
    for (const normalizer of [BYTES.normalizer, found, { ...found, scale: [93.7] }]) {
      const place = await Deno.makeTempDir({ dir: folder });
      await writeImages(openOutput(place), { info: { height: 16, width: 16, channels: 1, normalizer }, pixels });
      const images = openInput(folderArtifact(place, "images"));
      const autoencoder = await blocksOf(folder, images, 0.3);
      const own = { params: {}, definitions: DEFINITIONS };
      const samples = await made(folder, encodeKind, { ...own, inputs: { images, autoencoder } });
      const fake = await made(folder, decodeKind, { ...own, inputs: { samples, autoencoder } });
      assertEquals((await readImages(fake)).pixels, pixels);
    }
  });
});

Deno.test("latents times 8 train to the same bytes, and times 7 to the same weights but for rounding", async () => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder);
    const trainedTimes = async (factor: number) => {
      const autoencoder = await blocksOf(folder, images, factor);
      const encoding = { params: {}, inputs: { images, autoencoder }, definitions: DEFINITIONS };
      return await bytesOf(
        (await trainedOn(folder, await made(folder, encodeKind, encoding), { steps: 20 })).checkpoint,
      );
    };
    const [once, eight, seven] = [await trainedTimes(1), await trainedTimes(8), await trainedTimes(7)];
    assertEquals(eight, once);
    // A bias of keys adds the same to all scores of a softmax: its gradient is rounding, scaled up by Adam.
    const isKeyBias = (name: string, i: number, length: number) =>
      name.endsWith("qkv.bias") && Math.floor(3 * i / length) === 1;
    const weightsOf = (bytes: Uint8Array<ArrayBuffer>) =>
      Object.entries(decodeSafetensors(bytes).tensors).flatMap(([name, { data }]) =>
        [...data as Float32Array].filter((_, i) => !isKeyBias(name, i, data.length))
      );
    const [a, b] = [weightsOf(once[0]!), weightsOf(seven[0]!)];
    assertAllClose(b, a, { abs: 1e-5, label: "weights after 20 steps" });
  });
});

Deno.test("latents are decoded by decoders of their own encoder alone, which may have been trained further", async () => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder);
    const trained = (seed: number) => made(folder, autoencoderKind, { params: TRAINING, inputs: { images }, seed });
    const [autoencoder, other] = [await trained(1), await trained(2)];
    const latents = await made(folder, encodeKind, { params: {}, inputs: { images, autoencoder } });
    const { samples } = await trainedOn(folder, latents);
    const decode = (autoencoder: InputArtifact, params = {}) =>
      runStage(folder, decodeKind, { params, inputs: { samples, autoencoder } });
    const [own, another] = [await readAutoencoder(autoencoder, "ema", []), await readAutoencoder(other, "ema", [])];
    const message = said(await decode(other));
    for (const { encoder } of [own, another]) assertStringIncludes(message, encoder);
    assertStringIncludes(said(await decode(autoencoder, { weights: "raw" })), "wanted latents of encoder");

    const { autoencoder: layout, params } = own.build({ height: 8, width: 8, channels: 1 });
    const place = join(folder, "tuned");
    Deno.mkdirSync(place);
    let at = 0;
    for (const { name, shape } of layout.parameters) {
      const length = shape.reduce((product, side) => product * side, 1);
      if (name.startsWith("decoder.")) params.subarray(at, at + length).forEach((_, i, part) => part[i]! *= 1.5);
      at += length;
    }
    await writeAutoencoder(openOutput(place), { config: own.config, layout, weights: { raw: params, ema: params } });
    const tuned = await decode(openInput(folderArtifact(place, "autoencoder")));
    assertEquals(tuned.end, undefined);
    assertNotEquals(digests(tuned), digests(await decode(autoencoder)));
  });
});

Deno.test("a training of an autoencoder that was stopped goes on to the same bytes", async () => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder);
    const options = { params: { ...TRAINING, steps: 6, microBatches: 2, flip: true }, inputs: { images } };
    const straight = await runStage(folder, autoencoderKind, options);
    const [progress, stop] = [new MemoryProgress(), new AbortController()];
    const onReport = ({ done }: { done: number }) => done === 3 && stop.abort();
    await runStage(folder, autoencoderKind, { ...options, progress, stop: stop.signal, onReport });
    assertEquals(progress.steps, [3]);
    assertEquals(digests(await runStage(folder, autoencoderKind, { ...options, progress })), digests(straight));
  });
});

Deno.test("a reconstruction is scored beside its images by PSNR and SSIM, in their order", async () => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder, { size: 16 });
    const autoencoder = await made(folder, autoencoderKind, { params: TRAINING, inputs: { images } });
    const samples = await made(folder, encodeKind, { params: {}, inputs: { images, autoencoder } });
    const fake = await made(folder, decodeKind, { params: {}, inputs: { samples, autoencoder } });
    const params = { fd: false, reconstruction: true };
    const scored = await made(folder, scoreKind, { params, inputs: { real: images, fake } });
    const { metrics } = JSON.parse(await scored.readText("metrics.json"));
    const [a, b] = [await readImages(images), await readImages(fake)];
    const size = { count: 30, height: 16, width: 16, channels: 1 };
    const mean = (values: Float64Array) => values.reduce((sum, one) => sum + one, 0) / 30;
    const wanted = {
      PSNR: mean(peakSignalToNoise(a.pixels, b.pixels, 30, 255)),
      SSIM: mean(structuralSimilarity(a.pixels, b.pixels, size, 255)),
    };
    assertEquals(Object.fromEntries(metrics.map(({ name, value }: typeof metrics[0]) => [name, value])), wanted);
    const few = await smallImages(folder, { size: 16, limit: 20 });
    const refused = await runStage(folder, scoreKind, { params, inputs: { real: few.train, fake } });
    assertStringIncludes(said(refused), "as many as their images: got 30, wanted 10");
  });
});

Deno.test("a codebook says how many codes are used, and warns if few are", async () => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder);
    for (const [codes, type] of [[2, "note"], [4096, "warn"]] as const) {
      const events: unknown[] = [];
      const params = { ...TRAINING, steps: 1, model: { ...MODEL, kind: "vq", codes } };
      await runStage(folder, autoencoderKind, { params, inputs: { images }, onSaid: (event) => events.push(event) });
      assertMatch(JSON.stringify(events), new RegExp(`"${type}".*the first 24 images use \\d+ of the ${codes} codes`));
    }
  });
});

Deno.test("previews of a training on latents show decoded images", async () => {
  await withFolder(async (folder) => {
    const { train: images, test } = await smallImages(folder);
    const autoencoder = await made(folder, autoencoderKind, { params: TRAINING, inputs: { images } });
    const latents = await made(folder, encodeKind, { params: {}, inputs: { images, autoencoder } });
    const schedule = await made(folder, scheduleKind, { params: { betas: "ldm/cosine", timesteps: 50 }, inputs: {} });
    const previews: string[] = [];
    const sampler = { name: "ddim", steps: 2 };
    const params = { ...SMALL_TRAINING, steps: 1, preview: { every: 1, count: 4, sampler } };
    const onSaid: StageOptions["onSaid"] = (event) => event.type === "preview" && previews.push(event.png);
    const options = { params, onSaid };
    await made(folder, trainKind, { ...options, inputs: { images: latents, schedule, autoencoder } });
    await made(folder, trainKind, { ...options, inputs: { images: latents, schedule } });
    const [decoded, plain] = previews.map((png) => decodePng(Uint8Array.fromBase64(png)));
    // The two channels of latents are two pictures each.
    assert(decoded!.width < plain!.width, `${decoded!.width} and ${plain!.width} pixels`);
    const wrong = await runStage(folder, trainKind, { params, inputs: { images: test, schedule, autoencoder } });
    assertStringIncludes(said(wrong), "only latents can be decoded");
  });
});

Deno.test("an autoencoder goes to diffusers' layout and back, and encodes to the same bytes", async () => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder);
    for (const more of [{ groups: 4 }, { groups: 4, kind: "vq", codes: 8, embedChannels: 3 }]) {
      const params = { ...TRAINING, model: { ...MODEL, ...more }, steps: 1 };
      const own = await made(folder, autoencoderKind, { params, inputs: { images } });
      const inputs = { checkpoint: own };
      const files = await made(folder, exportKind, { params: { format: "diffusers" }, inputs });
      const importing = { format: "autoencoder", path: dirname(files.path("config.json")), factor: 2 };
      const read = await made(folder, importKind, { params: importing, inputs: {} });
      const [a, b] = await Promise.all([own, read].map(async (autoencoder) => {
        const params = { normalize: "moments" };
        return await made(folder, encodeKind, { params, inputs: { images, autoencoder } });
      }));
      assertEquals(await b!.read("images.safetensors"), await a!.read("images.safetensors"));
      using declared = await openImages(
        await made(folder, encodeKind, { params: {}, inputs: { images, autoencoder: read } }),
      );
      assertEquals(declared.normalizer, { how: "factor", scale: [0.5], shift: [0] });
    }
  });
});

Deno.test("the order in which averages are written is in no byte of an autoencoder", async () => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder);
    const [first, second] = await Promise.all([{ slow: 0.99, fast: 0.5 }, { fast: 0.5, slow: 0.99 }].map(
      async (others) => {
        const params = { ...TRAINING, steps: 1, ema: { decay: 0.9, others } };
        return digests(await runStage(folder, autoencoderKind, { params, inputs: { images } }));
      },
    ));
    assertEquals(first, second);
  });
});

Deno.test("encode leaves images whose type only the run finds out to the run", () => {
  const check = (dtype: string | null) => {
    const inputs = { images: { channels: 1, dtype }, autoencoder: { channels: 1 } };
    return encodeKind.check!(encodeKind.params.parse({}), inputs).problems.map(({ got }) => got);
  };
  assertEquals(check(null), []);
  assertEquals(check("uint16"), ["1 channels of uint16"]);
});

Deno.test("a loss that is not finite is reported by the name of its term", async () => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder);
    const code = defineAutoencoder({
      params: none,
      build: ({ height, width, channels }) => ({
        parameters: [{ name: "a", shape: [1], init: "ones" }],
        latent: { height, width, channels },
        encode: ({ weights, x }) => ({ mean: tf.mul(x, weights["a"]!) }),
        decode: ({ z }) => z,
        loss: ({ x, reconstruction }) => ({
          error: tf.mean(tf.square(tf.sub(x, reconstruction)), [1, 2, 3]),
          edges: tf.mean(tf.log(tf.sub(reconstruction, 2)), [1, 2, 3]),
        }),
      }),
    });
    const params = { model: { uses: "./code.ts" }, steps: 2, batchSize: 4 };
    const ended = await runStage(folder, autoencoderKind, {
      params,
      inputs: { images },
      definitions: own({ "./code.ts": code }),
    });
    assertStringIncludes(
      said(ended),
      "./code.ts: the loss term edges is not finite at step 1; no checkpoint was saved",
    );
  });
});
