import type { StoredAutoencoder } from "../../artifacts/autoencoder.ts";
import type { Autoencoder } from "../../diffusion/autoencoder/autoencoder.ts";
import type { ImageSizes } from "../../diffusion/define.ts";
import { unpackTensors } from "../../diffusion/network.ts";
import { definedOnly } from "../../std/defined_only.ts";
import * as tf from "@tensorflow/tfjs-core";
import type { Device, Signature, TensorSpec } from "../../tensor/mod.ts";

type Numbers = Float32Array<ArrayBuffer>;

type Coder = Pick<StoredAutoencoder, "build">;

interface CoderOptions {
  readonly device: Device;
  readonly batchSize: number;
  /** The weights, flat [P]. Default: those that were read. */
  readonly params?: Numbers;
}

const shapeOf = (batch: number, { height, width, channels }: ImageSizes): TensorSpec => ({
  shape: [batch, height, width, channels],
  dtype: "float32",
});
const lengthOf = ({ height, width, channels }: ImageSizes) => height * width * channels;
const dropout = (h: tf.Tensor) => h;
/** An autoencoder may be a fixed map, without weights. */
const weightsOf = ({ count }: { readonly count: number }): Signature =>
  count === 0 ? {} : { params: { shape: [count], dtype: "float32" } };
const named = (params: tf.Tensor | undefined, layout: Pick<Autoencoder, "parameters">) =>
  params === undefined ? {} : unpackTensors(params, layout);

/**
 * Puts an encoder on a device, for batches of one size.
 *
 * @returns `encode`, from images [B, H, W, C], as networks see them, to their latents, [B, h, w, c]: `mean`, and
 * `deviation` of latents that have a Gaussian each, which the next call changes; and `release`
 */
export async function bindEncoder({ build }: Coder, sizes: ImageSizes, { device, batchSize, params }: CoderOptions) {
  const built = build(sizes);
  const { autoencoder } = built;
  const compiled = await device.compile(
    ({ params, x }) => {
      const { mean, logVariance } = autoencoder.encode({ weights: named(params, autoencoder), x: x!, dropout });
      const deviation = logVariance && tf.exp(tf.mul(logVariance, 0.5));
      return { mean, ...definedOnly({ deviation }) };
    },
    { ...weightsOf(autoencoder), x: shapeOf(batchSize, sizes) },
    { label: "encoder" },
  );
  const bound = await compiled.bind(autoencoder.count === 0 ? {} : { params: params ?? built.params });
  const room = () => new Float32Array(batchSize * lengthOf(autoencoder.latent));
  const results = { mean: room(), ...("deviation" in compiled.outputs ? { deviation: room() } : {}) };
  return {
    async encode(x: Numbers): Promise<{ readonly mean: Numbers; readonly deviation?: Numbers }> {
      await bound.run({ x }, results);
      return results;
    },
    release: () => compiled.dispose(),
  };
}

/**
 * Puts a decoder on a device, for batches of one size.
 *
 * @returns `decode`, from latents [B, h, w, c], as the encoder gives them, to images [B, H, W, C], which the next call
 * changes; and `release`
 */
export async function bindDecoder({ build }: Coder, sizes: ImageSizes, { device, batchSize, params }: CoderOptions) {
  const built = build(sizes);
  const { autoencoder } = built;
  const compiled = await device.compile(
    ({ params, latents }) => {
      const weights = named(params, autoencoder);
      const z = autoencoder.quantize?.({ weights, z: latents! }).z ?? latents!;
      return { x: autoencoder.decode({ weights, z, dropout }) };
    },
    { ...weightsOf(autoencoder), latents: shapeOf(batchSize, autoencoder.latent) },
    { label: "decoder" },
  );
  const bound = await compiled.bind(autoencoder.count === 0 ? {} : { params: params ?? built.params });
  const x = new Float32Array(batchSize * lengthOf(sizes));
  return {
    async decode(latents: Numbers): Promise<Numbers> {
      await bound.run({ latents }, { x });
      return x;
    },
    release: () => compiled.dispose(),
  };
}
