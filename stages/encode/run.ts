import { readAutoencoder } from "../../artifacts/autoencoder.ts";
import { type ImagesWriter, openImages, openImagesWriter } from "../../artifacts/image_files.ts";
import { classNamesOf } from "../../artifacts/labels.ts";
import type { ContextOf } from "../../engine/contract/stage.ts";
import { flipped } from "../../science/diffusion/augmentations/pixels.ts";
import { type Normalizer, rangeNormalizer } from "../../science/diffusion/normalizer.ts";
import { range } from "../../science/metrics/vectors.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { moments } from "../dataset/find_normalizer.ts";
import { bindCoder } from "../shared/coder.ts";
import { inPartsOnDevice } from "../shared/parts.ts";
import { runOf } from "../shared/run_of.ts";
import { encodeKind, type EncodeParams } from "./kind.ts";

type Context = ContextOf<typeof encodeKind>;

export default runOf(encodeKind, async (context: Context) => {
  const { params, inputs, outputs, definitions, report } = context;
  using images = await openImages(inputs.images);
  const stored = await readAutoencoder(inputs.autoencoder, params.weights, definitions);
  const { info } = images;
  const { classes, height, width, channels } = info;
  const count = params.flip ? 2 * info.count : info.count;
  const batchSize = Math.min(params.batchSize, count);
  const x = new Float32Array(batchSize * images.size);
  return await inPartsOnDevice(context, { count, batchSize }, async (device) => {
    const { run } = await bindCoder("encoder", stored, info, { device, batchSize });
    return {
      async compute({ first, count, done, total }) {
        // In the last batch, places without an image keep their previous contents.
        const indices = range(first, count).map((index) => index % info.count);
        images.read(indices, x.subarray(0, count * images.size), stored.form);
        for (let i = Math.max(0, info.count - first); i < count; i++) {
          const image = x.subarray(i * images.size, (i + 1) * images.size);
          image.set(flipped({ image, height, width, channels }, { mirrored: true }));
        }
        const { mean, deviation } = await run(x);
        const size = mean!.length / batchSize;
        const own = (all: Float32Array<ArrayBuffer>) => all.subarray(0, count * size);
        report({ done: done + count, total, unit: "image" });
        const drawn = params.posterior === "draw" ? deviation : undefined;
        return { mean: own(mean!), ...definedOnly({ deviation: drawn && own(drawn) }) };
      },
    };
  }, async (batches) => {
    const { latent } = stored.build(info).autoencoder;
    const found = findNormalizer(params.normalize, { channels: latent.channels, factor: stored.config.factor });
    const { encoder } = stored;
    const about = { ...latent, count, classes, dtype: "float32", encoder } as const;
    const source = {
      name: "encode",
      ...definedOnly({ classNames: classNamesOf(info.source) }),
      of: { digest: inputs.images.digest, source: info.source },
      autoencoder: { digest: inputs.autoencoder.digest, weights: params.weights, step: stored.config.step },
    };
    using opened = new DisposableStack();
    let writer: ImagesWriter | undefined;
    for await (const { first, count, rows: { mean, deviation } } of batches) {
      const posterior = deviation === undefined ? {} : { posterior: true as const };
      writer ??= opened.use(openImagesWriter(outputs.images, { ...about, ...posterior, source }));
      found.add(mean!, deviation);
      const labels = images.labels && range(first, count).map((index) => images.labels![index % info.count]!);
      await writer.add(besides(mean!, deviation, latent.channels), labels);
    }
    const normalizer = found.find();
    if (typeof normalizer === "string") {
      return { status: "failed", message: normalizer, fix: "train the autoencoder further, or with less of a kl" };
    }
    await writer!.finish({ normalizer });
    return undefined;
  });
});

/** Returns means and deviations as they are stored: side by side, [..., 2C]. */
function besides(mean: Float32Array, deviation: Float32Array | undefined, channels: number): Float32Array {
  if (deviation === undefined) return mean;
  return Float32Array.from({ length: 2 * mean.length }, (_, i) => {
    const [place, channel] = [Math.floor(i / (2 * channels)) * channels, i % (2 * channels)];
    return channel < channels ? mean[place + channel]! : deviation[place + channel - channels]!;
  });
}

/** Returns what finds the normaliser, while the latents of all images go by. */
function findNormalizer(
  normalize: EncodeParams["normalize"],
  { channels, factor }: { readonly channels: number; readonly factor: number | undefined },
): Pick<ReturnType<typeof moments>, "add" | "find"> {
  const how = normalize ?? (factor === undefined ? "moments" : { factor });
  if (how === "moments") return moments(channels);
  if (how === "deviation") {
    // All channels are divided by one number, and keep their means.
    const { add, find } = moments(1);
    const factorOf = (found: Normalizer | string): Normalizer | string =>
      typeof found === "string" ? found : { how: "factor", scale: found.scale, shift: [0] };
    return { add, find: () => factorOf(find()) };
  }
  const normalizer: Normalizer = "factor" in how
    ? { how: "factor", scale: [1 / how.factor], shift: [0] }
    : rangeNormalizer(...how.range);
  return { add() {}, find: () => normalizer };
}
