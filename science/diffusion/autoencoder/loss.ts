import * as tf from "@tensorflow/tfjs-core";
import type { AutoencoderLossParams } from "./loss_params.ts";
import type { NamedTensors, Tensor } from "../../tensor/device.ts";
import type { AutoencoderCode, AutoencoderLossInputs, EncodeInputs, Moments } from "../define.ts";
import { stopGradient } from "../loss.ts";

/** Settings of a training's loss. */
export interface AutoencoderLossOptions extends Readonly<AutoencoderLossParams> {
  /** Returns the activations of some layers of a network that sees images, [B, h, w, C] each. */
  readonly features?: (images: Tensor) => readonly Tensor[];
  /** Weights of the channels of each of these layers (Zhang et al. 2018). Default: 1. */
  readonly heads?: readonly Float32Array[];
}

/** Returns latents: drawn from their Gaussians if there is noise, else the means. */
export function drawLatents({ mean, logVariance }: Moments, noise?: Tensor): Tensor {
  if (logVariance === undefined || noise === undefined) return mean;
  return tf.add(mean, tf.mul(tf.exp(tf.mul(logVariance, 0.5)), noise));
}

/**
 * Encodes images, decodes their latents and compares.
 *
 * @param inputs.noise N(0, 1) in the shape of the latents, by which these are drawn. Absent: means are decoded
 * @returns the weighted terms of the loss by name, [B] each, whose sum is minimised
 */
export function autoencoderTerms(
  { encode, quantize, decode, loss }: AutoencoderCode,
  { x, noise, dropout }: Omit<EncodeInputs, "weights"> & { readonly noise?: Tensor | undefined },
  weights: Readonly<NamedTensors>,
  options: AutoencoderLossOptions,
): Readonly<NamedTensors> {
  const moments = encode({ weights, x, dropout });
  const drawn = drawLatents(moments, noise);
  const { z, losses: quantizeLosses } = quantize?.({ weights, z: drawn }) ?? { z: drawn, losses: {} };
  const inputs = { x, reconstruction: decode({ weights, z, dropout }), moments, quantizeLosses, stopGradient };
  return loss?.(inputs) ?? builtinTerms(inputs, options);
}

function builtinTerms(
  { x, reconstruction, moments: { mean, logVariance }, quantizeLosses }: AutoencoderLossInputs,
  options: AutoencoderLossOptions,
): NamedTensors {
  const { placement, codebook, commitment, features, over = logVariance === undefined ? "mean" : "sum" } = options;
  const [pixels, latents] = [x, mean].map(({ size, shape }) => over === "sum" ? size / shape[0]! : 1);
  const difference = tf.sub(x, reconstruction);
  const error = options.reconstruction === "l1" ? tf.abs(difference) : tf.square(difference);
  const lower = codebook * commitment;
  const [ofCodebook, ofCommitment] = placement === "taming" ? [lower, codebook] : [codebook, lower];
  const weighted: [name: string, factor: number, term: Tensor | undefined][] = [
    ["reconstruction", pixels!, meanOf(error)],
    ["kl", options.kl * latents!, logVariance && meanOf(divergence(mean, logVariance))],
    ["codebook", ofCodebook * latents!, quantizeLosses["codebook"]],
    ["commitment", ofCommitment * latents!, quantizeLosses["commitment"]],
    // LDM adds the distance to the error of each number.
    [
      "perceptual",
      options.perceptual * pixels!,
      features && featureDistance(features(x), features(reconstruction), options.heads),
    ],
  ];
  const known = weighted.flatMap(([name, factor, term]) => term === undefined ? [] : [[name, tf.mul(term, factor)]]);
  return { ...quantizeLosses, ...Object.fromEntries(known) };
}

/** Returns the mean over all axes but the first, [B]. */
function meanOf(x: Tensor): Tensor {
  return tf.mean(x, Array.from({ length: x.rank - 1 }, (_, i) => i + 1));
}

/** KL(N(mean, variance) || N(0, 1)), in nats, elementwise. */
function divergence(mean: Tensor, logVariance: Tensor): Tensor {
  const squares = tf.add(tf.square(mean), tf.exp(logVariance));
  return tf.mul(tf.sub(tf.sub(squares, 1), logVariance), 0.5);
}

/**
 * The distance of Zhang et al. 2018: the squared difference of features of length 1, summed over channels, averaged
 * over positions and summed over layers.
 *
 * @param heads weights of the channels; without (`lpips=False` of PerceptualSimilarity), all are 1
 * @returns [B]
 */
function featureDistance(
  some: readonly Tensor[],
  others: readonly Tensor[],
  heads?: AutoencoderLossOptions["heads"],
): Tensor {
  // The least length keeps the gradient finite where all features are 0.
  const unit = (h: Tensor) => tf.mul(h, tf.rsqrt(tf.add(tf.sum(tf.square(h), 3, true), LEAST_LENGTH ** 2)));
  const distances = some.map((h, layer) => {
    const squares = tf.square(tf.sub(unit(h), unit(others[layer]!)));
    return meanOf(tf.sum(heads === undefined ? squares : tf.mul(squares, heads[layer]!), 3));
  });
  return distances.reduce((sum, distance) => tf.add(sum, distance));
}

/** That of PerceptualSimilarity is added to the length: `normalize_tensor`. */
const LEAST_LENGTH = 1e-10;
