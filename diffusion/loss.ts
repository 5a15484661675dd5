import * as tf from "@tensorflow/tfjs-core";
import { mixed, perImage } from "./gaussian.ts";
import { boundTermPerImage } from "./likelihood.ts";

/**
 * L_simple of Ho et al. 2020 (eq. 14) for each image: the mean over pixels and channels of (eps - eps_theta)^2. Its
 * mean over a batch is the training loss. Used for targets other than eps as well.
 *
 * @param eps [B, H, W, C], the noise that was added
 * @param predicted [B, H, W, C]
 * @returns [B]
 */
export function simpleLossPerImage(eps: tf.Tensor, predicted: tf.Tensor): tf.Tensor {
  return tf.mean(tf.square(tf.sub(eps, predicted)), Array.from({ length: eps.rank - 1 }, (_, i) => i + 1));
}

/**
 * Inputs of a step's loss besides the network's output: images [B, H, W, C], and the `lossFigures` that the loss uses,
 * [B].
 */
export type ErrorInputs = Readonly<Record<"x0" | "noise" | "xt", tf.Tensor> & Record<string, tf.Tensor | undefined>>;

/**
 * Computes the training loss of each image, [B], of an objective whose target is a mixture:
 *
 * - with a fixed variance, the weighted squared error of the prediction;
 * - with a learned variance, L_hybrid of Nichol & Dhariwal 2021 (eq. 16): that error plus 0.001 times the variational
 *   bound, whose gradient does not reach the mean. With weighting `vlb`, the term of the bound alone, for mean and
 *   variance.
 *
 * @param output the network's output, [B, H, W, C], or [B, H, W, 2 C] if it learns the variance
 */
export function trainingLossPerImage(output: tf.Tensor, inputs: ErrorInputs): tf.Tensor {
  const channels = inputs.x0.shape.at(-1)!;
  if (output.shape.at(-1) === channels) return weightedError(output, inputs);
  const part = (start: number) => tf.slice(output, [0, 0, 0, start], [-1, -1, -1, channels]);
  const [prediction, variance] = [part(0), part(channels)];
  const { boundWeight } = inputs;
  if (boundWeight === undefined) return learnedBound(prediction, variance, inputs);
  const bound = learnedBound(stopGradient(prediction), variance, inputs);
  return tf.add(weightedError(prediction, inputs), tf.mul(boundWeight, bound));
}

function weightedError(prediction: tf.Tensor, inputs: ErrorInputs): tf.Tensor {
  const { x0, noise, targetX0, targetNoise, lossWeight } = inputs;
  const target = targetX0 === undefined
    ? noise
    : mixed(perImage(targetX0, x0), x0, perImage(targetNoise!, noise), noise);
  const error = simpleLossPerImage(target, prediction);
  return lossWeight === undefined ? error : tf.mul(lossWeight, error);
}

/**
 * Computes the term of the bound. The log variance is interpolated linearly between the posterior's, at `raw` = -1, and
 * that of beta, at 1 (Nichol & Dhariwal 2021, eq. 15; openai/improved-diffusion, `LEARNED_RANGE`).
 */
function learnedBound(prediction: tf.Tensor, raw: tf.Tensor, inputs: ErrorInputs): tf.Tensor {
  const { x0, xt } = inputs;
  const table = (name: string) => perImage(inputs[name]!, x0);
  const [coefX0, coefXt] = [table("posteriorMeanCoef1"), table("posteriorMeanCoef2")];
  const [min, max] = [table("minLogVariance"), table("maxLogVariance")];
  const fraction = tf.mul(tf.add(raw, 1), 0.5);
  const logVariance = tf.add(tf.mul(fraction, max), tf.mul(tf.sub(1, fraction), min));
  // Not clipped to [-1, 1]: a clipped prediction would get no gradient.
  const predictedX0 = mixed(table("x0FromXt"), xt, table("x0FromOutput"), prediction);
  return boundTermPerImage(x0, {
    truth: { mean: mixed(coefX0, x0, coefXt, xt), logVariance: min },
    model: { mean: mixed(coefX0, predictedX0, coefXt, xt), logVariance },
    isFirst: inputs["isFirst"]!,
  });
}

/** Returns x and stops the gradient. */
export function stopGradient(x: tf.Tensor): tf.Tensor {
  return tf.customGrad((input) => ({
    value: tf.clone(input as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => tf.zerosLike(dy),
  }))(x);
}
