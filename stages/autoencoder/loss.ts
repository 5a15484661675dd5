import * as tf from "@tensorflow/tfjs-core";
import type { Signature } from "../../science/tensor/device.ts";
import { trace } from "../../science/tensor/trace/trace.ts";
import type { TrainingLoss } from "../../science/diffusion/gradient_step.ts";
import type { Autoencoder } from "../../science/diffusion/autoencoder/autoencoder.ts";
import { type AutoencoderLossOptions, autoencoderTerms } from "../../science/diffusion/autoencoder/loss.ts";

/**
 * Returns the loss of an autoencoder, as a training lowers it. The inputs of a batch: `x0` [B, H, W, C], images, and
 * `noise` [B, h, w, c], by which latents are drawn from their Gaussians.
 */
export function autoencoderLoss(autoencoder: Autoencoder, options: AutoencoderLossOptions): TrainingLoss {
  const { sizes, latent, parameters } = autoencoder;
  const batchSignature = (batch: number): Signature => ({
    x0: { shape: [batch, sizes.height, sizes.width, sizes.channels], dtype: "float32" },
    noise: { shape: [batch, latent.height, latent.width, latent.channels], dtype: "float32" },
  });
  const termsOf = ({ x0, noise }: Readonly<Record<string, tf.Tensor>>, weights: Readonly<Record<string, tf.Tensor>>) =>
    autoencoderTerms(autoencoder, { x: x0!, noise, dropout: (h) => h }, weights, options);
  const weights = parameters.map(({ name, shape }) => [`weight ${name}`, { shape, dtype: "float32" }] as const);
  const { outputs } = trace(
    (given) => termsOf(given, Object.fromEntries(parameters.map(({ name }) => [name, given[`weight ${name}`]!]))),
    { ...batchSignature(1), ...Object.fromEntries(weights) },
    "the loss",
  );
  return {
    ...autoencoder,
    readsAverage: false,
    terms: [...outputs.keys()],
    batchSignature,
    of: (inputs) => (weights) => tf.stack(Object.values(termsOf(inputs, weights))),
  };
}
