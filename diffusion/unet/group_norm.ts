import type * as tf from "@tensorflow/tfjs-core";
import { GROUP_NORM, layer } from "../../tensor/layer_kernels.ts";
import { groupsFor } from "./config.ts";

/** Settings of a group normalisation. */
export interface GroupNormOptions {
  /** The number of groups. Default: see `groupsFor`. */
  readonly groups?: number;
  /**
   * Added to the variance. Default 1e-6: tf.contrib's, which the paper's checkpoints were trained with
   * (pesser/pytorch_diffusion reproduces it).
   */
  readonly normEpsilon?: number;
}

/**
 * Group normalisation (Wu & He 2018) over H, W and the channels of a group, then scale and bias per channel.
 *
 * @param x [B, H, W, C]
 * @param scale [C]
 * @param bias [C]
 */
export function groupNorm(
  x: tf.Tensor,
  scale: tf.Tensor,
  bias: tf.Tensor,
  { groups = groupsFor(x.shape[3]!), normEpsilon: epsilon = 1e-6 }: GroupNormOptions = {},
): tf.Tensor {
  return layer(GROUP_NORM, { x, scale, bias }, { kept: ["x", "scale"], groups, epsilon });
}
