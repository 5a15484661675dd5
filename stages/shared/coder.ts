import type { StoredDecoder } from "../../artifacts/autoencoder.ts";
import type { View } from "../../artifacts/pictures.ts";
import type { Autoencoder } from "../../science/diffusion/autoencoder/autoencoder.ts";
import type { ImageSizes } from "../../science/diffusion/define.ts";
import { sizeOf, unpackTensors } from "../../science/diffusion/network.ts";
import { denormalize, joinValues, VALUE_TYPES, type Values } from "../../science/diffusion/normalizer.ts";
import { definedOnly } from "../../std/defined_only.ts";
import * as tf from "@tensorflow/tfjs-core";
import type { Device, NamedTensors, Signature } from "../../science/tensor/device.ts";

type Numbers = Float32Array<ArrayBuffer>;

type Coder = Pick<StoredDecoder, "build">;

interface CoderOptions {
  readonly device: Device;
  readonly batchSize: number;
}

const lengthOf = ({ height, width, channels }: ImageSizes) => height * width * channels;
const dropout = (h: tf.Tensor) => h;

/** The two halves of an autoencoder, and the use of its codes, as functions of weights and of what they are given. */
export const HALVES = {
  encoder({ encode }: Autoencoder, weights: Readonly<NamedTensors>, x: tf.Tensor): Record<string, tf.Tensor> {
    const { mean, logVariance } = encode({ weights, x, dropout });
    return { mean, ...definedOnly({ deviation: logVariance && tf.exp(tf.mul(logVariance, 0.5)) }) };
  },
  decoder({ quantize, decode }: Autoencoder, weights: Readonly<NamedTensors>, latents: tf.Tensor) {
    return { x: decode({ weights, z: quantize?.({ weights, z: latents }).z ?? latents, dropout }) };
  },
  codes({ encode, quantize }: Autoencoder, weights: Readonly<NamedTensors>, x: tf.Tensor) {
    return { counts: quantize?.({ weights, z: encode({ weights, x, dropout }).mean }).counts ?? tf.zeros([1]) };
  },
};

/**
 * Puts a part of an autoencoder on a device, for batches of one size.
 *
 * @returns `run`, whose results the next call changes. An encoder's, from images [B, H, W, C], as networks see them:
 * their latents [B, h, w, c], `mean`, and `deviation` of latents that have a Gaussian each. A decoder's, from latents
 * as the encoder gives them: images, `x`. From images, how often their latents have each code, `counts`: 0 without any
 */
export async function bindCoder(
  half: keyof typeof HALVES,
  { build }: Coder,
  sizes: ImageSizes,
  { device, batchSize }: CoderOptions,
) {
  const { autoencoder, params } = build(sizes);
  const { height, width, channels } = half === "decoder" ? autoencoder.latent : sizes;
  // An autoencoder may be a fixed map, without weights.
  const given = autoencoder.count === 0 ? {} : { params };
  const weights: Signature = { params: { shape: [autoencoder.count], dtype: "float32" } };
  const compiled = await device.compile(
    ({ params, x }) => HALVES[half](autoencoder, params === undefined ? {} : unpackTensors(params, autoencoder), x!),
    { ...("params" in given ? weights : {}), x: { shape: [batchSize, height, width, channels], dtype: "float32" } },
    { label: half },
  );
  const bound = await compiled.bind(given);
  const results = Object.fromEntries(
    Object.entries(compiled.outputs).map(([name, { shape }]) => [name, new Float32Array(sizeOf({ shape }))]),
  );
  return {
    autoencoder,
    async run(x: Numbers): Promise<Readonly<Record<string, Numbers>>> {
      await bound.run({ x }, results);
      return results;
    },
  };
}

/**
 * Puts a decoder on a device, to show latents as images of a size.
 *
 * @param bytes as `denormalize` takes it: pictures beside samples are truncated as these are
 * @returns the view, whose `show` decodes a batch at a time
 */
export async function openView(
  decoder: Pick<StoredDecoder, "build" | "form">,
  size: ImageSizes,
  options: CoderOptions,
  bytes?: "round",
): Promise<View> {
  const { form } = decoder;
  const { autoencoder, run } = await bindCoder("decoder", decoder, size, options);
  const length = lengthOf(autoencoder.latent);
  const z = new Float32Array(options.batchSize * length);
  const show = async (pieces: readonly Values[]) => {
    const latents = joinValues(pieces);
    const images = new VALUE_TYPES[form.dtype](latents.length / length * lengthOf(size));
    for (let at = 0; at < latents.length; at += z.length) {
      // In the last batch, places without latents keep their previous contents.
      z.set(latents.subarray(at, at + z.length));
      const place = at / length * lengthOf(size);
      images.set(denormalize((await run(z))["x"]!, form, bytes).subarray(0, images.length - place), place);
    }
    return images;
  };
  return { size, form, show };
}
