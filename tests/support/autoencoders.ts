import * as tf from "@tensorflow/tfjs-core";
import { makeAutoencoder } from "../../science/diffusion/autoencoder/autoencoder.ts";
import type { AutoencoderConfig } from "../../science/diffusion/autoencoder/config.ts";
import builtin from "../../science/diffusion/autoencoder/network.ts";
import { CODEBOOK } from "../../science/diffusion/autoencoder/plan.ts";
import { nearestCodes } from "../../science/diffusion/autoencoder/quantize.ts";
import { type NamedArrays, packParameters, unpackTensors } from "../../science/diffusion/network.ts";
import type { SafetensorsTensor } from "../../science/formats/safetensors.ts";
import type { Device, NamedTensors, TensorSpec } from "../../science/tensor/mod.ts";

type Example = Readonly<Record<string, Pick<SafetensorsTensor, "shape" | "data">>>;

/**
 * Encodes the images and decodes the latents of an example that tests/peers/diffusers/autoencoders.py saved.
 * @returns the largest difference of each of the example's arrays
 */
export async function autoencoderErrors(
  device: Device,
  config: AutoencoderConfig,
  named: NamedArrays,
  example: Example,
) {
  const { imageChannels, ...params } = config;
  const [, , height, width] = example["x"]!.shape as [number, number, number, number];
  const sizes = { height, width, channels: imageChannels };
  const autoencoder = makeAutoencoder(sizes, builtin.build(sizes, { ...params } as never));
  const dropout = (h: tf.Tensor) => h;
  const last = (h: tf.Tensor) => tf.transpose(h, [0, 2, 3, 1]);
  const first = (h: tf.Tensor) => tf.transpose(h, [0, 3, 1, 2]);
  const compute = (inputs: NamedTensors): NamedTensors => {
    const weights = unpackTensors(inputs["params"]!, autoencoder);
    const { mean, logVariance } = autoencoder.encode({ weights, x: last(inputs["x"]!), dropout });
    const given = last(inputs["mean"]!);
    const z = autoencoder.quantize?.({ weights, z: given }).z ?? given;
    const rows = tf.reshape(given, [-1, given.shape[3]!]);
    return {
      mean: first(mean),
      decoded: first(autoencoder.decode({ weights, z, dropout })),
      ...(logVariance === undefined ? {} : { logVariance: first(logVariance) }),
      ...(config.kind === "kl" ? {} : { indices: nearestCodes(rows, weights[CODEBOOK]!) }),
    };
  };
  const specOf = (shape: readonly number[]): TensorSpec => ({ shape: [...shape], dtype: "float32" });
  const floats = (name: string) => Float32Array.from(example[name]!.data as ArrayLike<number>);
  const compiled = await device.compile(compute, {
    params: specOf([autoencoder.count]),
    x: specOf(example["x"]!.shape),
    mean: specOf(example["mean"]!.shape),
  });
  const got = await compiled.run({ params: packParameters(named, autoencoder), x: floats("x"), mean: floats("mean") });
  await compiled.dispose();
  return Object.fromEntries(
    Object.entries(got).map(([name, numbers]) => {
      const wanted = floats(name);
      if (wanted.length !== numbers.length) throw new Error(`${name}: ${numbers.length} numbers, not ${wanted.length}`);
      return [name, wanted.reduce((most, one, i) => Math.max(most, Math.abs(one - numbers[i]!)), 0)];
    }),
  );
}
