import * as tf from "@tensorflow/tfjs-core";
import { type Bins, binsOf } from "./likelihood_float64.ts";
import { BYTES } from "./normalizer.ts";

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
type ErrorInputs = Readonly<Record<"x0" | "noise" | "xt", tf.Tensor> & Record<string, tf.Tensor | undefined>>;

/**
 * Computes the training loss of each image, [B], of an objective whose target is a mixture:
 *
 * - with a fixed variance, the weighted squared error of the prediction;
 * - with a learned variance, L_hybrid of Nichol & Dhariwal 2021 (eq. 16): that error plus 0.001 times the variational
 *   bound, whose gradient does not reach the mean. With weighting `vlb`, the term of the bound alone, for mean and
 *   variance.
 *
 * @param output the network's output, [B, H, W, C], or [B, H, W, 2 C] if it learns the variance
 * @param bins those of the images' integers, `binsOf`
 */
export function trainingLossPerImage(output: tf.Tensor, inputs: ErrorInputs, bins?: readonly Bins[]): tf.Tensor {
  const channels = inputs.x0.shape.at(-1)!;
  if (output.shape.at(-1) === channels) return weightedError(output, inputs);
  const part = (start: number) => tf.slice(output, [0, 0, 0, start], [-1, -1, -1, channels]);
  const [prediction, variance] = [part(0), part(channels)];
  const { boundWeight } = inputs;
  if (boundWeight === undefined) return learnedBound(prediction, variance, inputs, bins);
  const bound = learnedBound(stopGradient(prediction), variance, inputs, bins);
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
function learnedBound(
  prediction: tf.Tensor,
  raw: tf.Tensor,
  inputs: ErrorInputs,
  bins: readonly Bins[] | undefined,
): tf.Tensor {
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
    bins,
  });
}

/** Returns x and stops the gradient. */
export function stopGradient(x: tf.Tensor): tf.Tensor {
  return tf.customGrad((input) => ({
    value: tf.clone(input as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => tf.zerosLike(dy),
  }))(x);
}

/** Computes a x + b y. */
export function mixed(a: tf.Tensor, x: tf.Tensor, b: tf.Tensor, y: tf.Tensor): tf.Tensor {
  return tf.add(tf.mul(a, x), tf.mul(b, y));
}

/** Reshapes a factor per image, [B] to [B, 1, 1, 1], so that it broadcasts over a tensor of images. */
export function perImage(factor: tf.Tensor, images: tf.Tensor): tf.Tensor {
  return tf.reshape(factor, [-1, ...Array.from({ length: images.rank - 1 }, () => 1)]);
}

/** Terms of the variational bound as tensors, for losses; `likelihood_float64.ts` defines them. */

/** Gaussians, elementwise, in the shape of the images. */
interface GaussianTensors {
  readonly mean: tf.Tensor;
  readonly logVariance: tf.Tensor;
}

/** KL(p || q) of Gaussians, in nats, elementwise. */
export function normalKlTensor(p: GaussianTensors, q: GaussianTensors): tf.Tensor {
  const difference = tf.sub(q.logVariance, p.logVariance);
  const squares = tf.mul(tf.square(tf.sub(p.mean, q.mean)), tf.exp(tf.neg(q.logVariance)));
  return tf.mul(tf.add(tf.sub(tf.add(difference, tf.exp(tf.neg(difference))), 1), squares), 0.5);
}

/**
 * `discretizedLogLikelihood` in float32, elementwise. Bins are folded to the lower side of the mean, where the
 * distribution function is small and a difference of two values keeps its digits.
 *
 * @param x the network's numbers for integers, [..., C] @param bins one, or one for each channel; default: of bytes
 */
export function discretizedLogLikelihoodTensor(
  x: tf.Tensor,
  { mean, logVariance }: GaussianTensors,
  bins: readonly Bins[] = binsOf(BYTES)!,
): tf.Tensor {
  const of = (number: (one: Bins) => number) => bins.length === 1 ? number(bins[0]!) : bins.map(number);
  const inverseScale = tf.exp(tf.mul(logVariance, -0.5));
  const centred = tf.sub(x, mean);
  const [half, first, last] = [of((one) => one.half), of((one) => -one.first), of((one) => one.last)];
  const [isTop, isBottom] = [tf.greater(x, last), tf.greater(tf.neg(x), first)];
  const flipped = tf.neg(centred);
  // Minus the absolute value, without a comparison: a comparison on the way from the parameters has no gradient in
  // TF.js.
  const folded = tf.neg(tf.add(tf.relu(centred), tf.relu(flipped)));
  // The last bin is open above. Flipped, it is open below, like the first.
  const distance = tf.where(isTop, flipped, tf.where(isBottom, centred, folded));
  const upper = normalCdf(tf.mul(tf.add(distance, half), inverseScale));
  const lower = normalCdf(tf.mul(tf.sub(distance, half), inverseScale));
  const closed = tf.where(isTop, tf.zerosLike(lower), tf.where(isBottom, tf.zerosLike(lower), lower));
  return tf.log(tf.maximum(tf.sub(upper, closed), 1e-12));
}

/** 0.5 (1 + tanh(y)) as a logistic function, which does not cancel where tanh is near -1. */
function normalCdf(z: tf.Tensor): tf.Tensor {
  const cubed = tf.mul(tf.mul(tf.square(z), z), 0.044715);
  return tf.sigmoid(tf.mul(tf.add(z, cubed), 2 * Math.sqrt(2 / Math.PI)));
}

/**
 * Computes the term of the bound at each image's t in bits per dimension, [B].
 *
 * @param x0 [B, H, W, C]
 * @param truth q(x_{t-1} | x_t, x_0); its logVariance may be [B, 1, 1, 1]
 * @param model p(x_{t-1} | x_t)
 * @param isFirst [B], 1 where t = 0, else 0
 * @param bins as `discretizedLogLikelihoodTensor` takes them
 */
export function boundTermPerImage(
  x0: tf.Tensor,
  { truth, model, isFirst, bins }: {
    readonly truth: GaussianTensors;
    readonly model: GaussianTensors;
    readonly isFirst: tf.Tensor;
    readonly bins?: readonly Bins[] | undefined;
  },
): tf.Tensor {
  const first = perImage(isFirst, x0);
  const decoder = tf.mul(discretizedLogLikelihoodTensor(x0, model, bins), -1);
  const nats = tf.add(tf.mul(first, decoder), tf.mul(tf.sub(1, first), normalKlTensor(truth, model)));
  return tf.mul(tf.mean(nats, [1, 2, 3]), 1 / Math.LN2);
}
