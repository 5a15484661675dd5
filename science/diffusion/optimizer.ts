import * as tf from "@tensorflow/tfjs-core";
import { ADAM, AVERAGE, runLayer } from "../tensor/layer_kernels.ts";
import { ADAM as ADAM_CONSTANTS, type AdamConstants } from "./recipe.ts";

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
 * Makes one update of Adam (Kingma & Ba 2015, algorithm 1) on some of the parameters. Weight decay is decoupled from
 * the gradient (Loshchilov & Hutter 2019, algorithm 2, as in `torch.optim.AdamW`): lr wd of each parameter is
 * subtracted.
 *
 * @param clip scalar that the gradients are multiplied with
 */
export function adamStep(
  moments: AdamMoments,
  grads: tf.Tensor,
  clip: tf.Tensor,
  { learningRate, biasCorrection1, biasCorrection2, shrinkage }: AdamSettings,
  { beta1, beta2, epsilon }: Omit<AdamConstants, "weightDecay"> = ADAM_CONSTANTS,
): AdamMoments {
  const inputs = { ...moments, grads, clip, learningRate, biasCorrection1, biasCorrection2 };
  const decay = shrinkage === undefined ? {} : { shrinkage };
  const [params, m, v] = runLayer(ADAM, { ...inputs, ...decay }, { beta1, beta2, epsilon });
  return { params: params!, m: m!, v: v! };
}

/** Computes decay ema + (1 - decay) params. @param decay scalar; 0 gives the parameters themselves, exactly */
export function emaStep(ema: tf.Tensor, params: tf.Tensor, decay: tf.Tensor): tf.Tensor {
  return runLayer(AVERAGE, { average: ema, params, decay })[0]!;
}
