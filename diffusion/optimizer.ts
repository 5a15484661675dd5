import * as tf from "@tensorflow/tfjs-core";
import { ADAM, type AdamConstants } from "./recipe.ts";

/** The parameters and moments that Adam reads and writes, each [n]; the moments are zeros before the first step. */
export type AdamMoments = Readonly<Record<"params" | "m" | "v", tf.Tensor>>;

/** Scalar inputs of Adam; `shrinkage`, the learning rate times the weight decay, only where there is a decay. */
export type AdamSettings =
  & Readonly<Record<"learningRate" | "biasCorrection1" | "biasCorrection2", tf.Tensor>>
  & { readonly shrinkage?: tf.Tensor };

/** Global norm of gradients, given in any number of parts; scalar. */
export function globalNorm(grads: readonly tf.Tensor[]): tf.Tensor {
  return tf.sqrt(tf.addN(grads.map((grad) => tf.sum(tf.square(grad)))));
}

/**
 * Factor that scales gradients down to a global norm of at most `clipNorm`; 1 for smaller gradients, and well defined
 * for gradients that are all zero. To turn clipping off, use a norm that no gradient reaches; infinity would give NaN.
 */
export function clipFactor(gradNorm: tf.Tensor, clipNorm: tf.Tensor): tf.Tensor {
  return tf.div(clipNorm, tf.maximum(gradNorm, clipNorm));
}

/**
 * Makes one update of Adam (Kingma & Ba 2015, algorithm 1) on some of the parameters. Scalars are multiplied first, so
 * that there are as few passes over each vector as possible: with c1, c2 the bias corrections, lr (m / c1) / (sqrt(v /
 * c2) + eps) = m / (sqrt(v) a + b), a = c1 / (lr sqrt(c2)), b = eps c1 / lr. Weight decay is decoupled from the
 * gradient (Loshchilov & Hutter 2019, algorithm 2, as in `torch.optim.AdamW`): lr wd of each parameter is subtracted.
 *
 * @param clip scalar that the gradients are multiplied with
 */
export function adamStep(
  { params, m, v }: AdamMoments,
  grads: tf.Tensor,
  clip: tf.Tensor,
  { learningRate, biasCorrection1, biasCorrection2, shrinkage }: AdamSettings,
  { beta1, beta2, epsilon }: Omit<AdamConstants, "weightDecay"> = ADAM,
): AdamMoments {
  const nextM = tf.add(tf.mul(m, beta1), tf.mul(grads, tf.mul(clip, 1 - beta1)));
  const nextV = tf.add(tf.mul(v, beta2), tf.mul(tf.square(grads), tf.mul(tf.square(clip), 1 - beta2)));
  const perRate = tf.div(biasCorrection1, learningRate);
  const spread = tf.add(
    tf.mul(tf.sqrt(nextV), tf.div(perRate, tf.sqrt(biasCorrection2))),
    tf.mul(perRate, epsilon),
  );
  const update = tf.div(nextM, spread);
  // Not params (1 - shrinkage): so near to 1, float32 would lose most digits of a small shrinkage.
  const whole = shrinkage === undefined ? update : tf.add(update, tf.mul(params, shrinkage));
  return { params: tf.sub(params, whole), m: nextM, v: nextV };
}

/** Computes decay ema + (1 - decay) params. @param decay scalar; 0 gives the parameters themselves, exactly */
export function emaStep(ema: tf.Tensor, params: tf.Tensor, decay: tf.Tensor): tf.Tensor {
  return tf.add(tf.mul(ema, decay), tf.mul(params, tf.sub(1, decay)));
}
