import * as tf from "@tensorflow/tfjs";

/**
 * The Gaussians of the diffusion chain on tensors (float32). Tables are gathered on the host, one entry per image [B],
 * so that the float64 tables are rounded once, at use.
 */

/**
 * A sample of q(x_t | x_0), Ho et al. 2020 eq. 4.
 *
 * @param x0 [B, H, W, C] in [-1, 1]
 * @param noise [B, H, W, C], N(0, I)
 * @param tables entries of the tables of those names at each image's t, [B]
 */
export function qSample(
  x0: tf.Tensor,
  noise: tf.Tensor,
  tables: { readonly sqrtAlphasCumprod: tf.Tensor; readonly sqrtOneMinusAlphasCumprod: tf.Tensor },
): tf.Tensor {
  return tf.add(
    tf.mul(perImage(tables.sqrtAlphasCumprod, x0), x0),
    tf.mul(perImage(tables.sqrtOneMinusAlphasCumprod, x0), noise),
  );
}

/**
 * The x_0 that a noise prediction implies: sqrt(1/A) x_t - sqrt(1/A - 1) eps, not clipped (Ho et al. 2020 eq. 4 solved
 * for x_0).
 *
 * @param xt [B, H, W, C]
 * @param eps [B, H, W, C]
 * @param tables entries [B]
 */
export function predictXstartFromEps(
  xt: tf.Tensor,
  eps: tf.Tensor,
  tables: { readonly sqrtRecipAlphasCumprod: tf.Tensor; readonly sqrtRecipm1AlphasCumprod: tf.Tensor },
): tf.Tensor {
  return tf.sub(
    tf.mul(perImage(tables.sqrtRecipAlphasCumprod, xt), xt),
    tf.mul(perImage(tables.sqrtRecipm1AlphasCumprod, xt), eps),
  );
}

/**
 * Mean of q(x_{t-1} | x_t, x_0), Ho et al. 2020 eq. 7.
 *
 * @param x0 [B, H, W, C] in [-1, 1]
 * @param xt [B, H, W, C]
 * @param tables entries [B]
 */
export function qPosteriorMean(
  x0: tf.Tensor,
  xt: tf.Tensor,
  tables: { readonly posteriorMeanCoef1: tf.Tensor; readonly posteriorMeanCoef2: tf.Tensor },
): tf.Tensor {
  return tf.add(
    tf.mul(perImage(tables.posteriorMeanCoef1, x0), x0),
    tf.mul(perImage(tables.posteriorMeanCoef2, x0), xt),
  );
}

/** A factor per image, [B] to [B, 1, 1, 1], so that it broadcasts over a tensor of images. */
export function perImage(factor: tf.Tensor, images: tf.Tensor): tf.Tensor {
  return tf.reshape(factor, [-1, ...Array.from({ length: images.rank - 1 }, () => 1)]);
}
