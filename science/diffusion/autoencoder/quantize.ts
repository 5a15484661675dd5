import * as tf from "@tensorflow/tfjs-core";
import type { Quantized } from "../define.ts";
import { stopGradient } from "../loss.ts";

/** Most numbers of a table of positions and codes: 64 MiB of float32. */
const MAX_TABLE = 2 ** 24;

/**
 * Replaces each position's vector by the nearest code (van den Oord et al. 2017, eq. 1 and 2). The terms of the loss
 * are means over the latents of an image.
 *
 * @param z [B, h, w, C] @param codebook [codes, C]
 */
export function quantize(z: tf.Tensor, codebook: tf.Tensor): Quantized {
  const indices = nearestCodes(tf.reshape(z, [-1, z.shape[3]!]), codebook);
  const codes = tf.reshape(lookUp(codebook, indices), z.shape);
  const squares = (a: tf.Tensor, b: tf.Tensor) => tf.mean(tf.square(tf.sub(a, b)), [1, 2, 3]);
  return {
    z: straightThrough(z, codes),
    losses: {
      codebook: squares(codes, stopGradient(z)),
      commitment: squares(stopGradient(codes), z),
    },
    counts: summed(indices, codebook.shape[0]!, tf.ones([indices.size])),
  };
}

/**
 * Returns the number of the code with the least squared distance to each row, [N] int32, the first of equals. |z|^2 is
 * the same for all codes, so that it is left out.
 */
export function nearestCodes(rows: tf.Tensor, codebook: tf.Tensor): tf.Tensor {
  const halves = tf.mul(tf.sum(tf.square(codebook), 1), 0.5);
  const parts = tf.split(rows, partsOf(rows.shape[0]!, codebook.shape[0]!)).map((part) =>
    // Devices that compute at once hold one table at a time.
    tf.tidy(() => tf.argMin(tf.sub(halves, tf.matMul(part, codebook, false, true)), 1))
  );
  return parts.length === 1 ? parts[0]! : tf.concat(parts);
}

/** Returns rows of the codebook, [N, C]. */
function lookUp(codebook: tf.Tensor, indices: tf.Tensor): tf.Tensor {
  return tf.customGrad((...args) => {
    const [codes, save] = args as [tf.Tensor, tf.GradSaveFunc];
    save([indices]);
    return {
      value: tf.gather(codes, indices as tf.Tensor1D),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => summed(saved[0]!, codes.shape[0]!, dy),
    };
  })(codebook);
}

/** Adds up the rows [N, …] that have the same index. @returns [count, …] */
function summed(indices: tf.Tensor, count: number, rows: tf.Tensor): tf.Tensor {
  const parts = partsOf(rows.shape[0]!, count);
  const numbers = tf.split(indices, parts);
  return tf.split(rows, parts).map((part, i) =>
    tf.tidy(() => tf.unsortedSegmentSum(part, numbers[i] as tf.Tensor1D, count))
  ).reduce((sum, part) => tf.add(sum, part));
}

/** Returns codes, and passes the gradient on to z alone. */
function straightThrough(z: tf.Tensor, codes: tf.Tensor): tf.Tensor {
  return tf.customGrad((...args) => ({
    value: tf.clone(args[1] as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => [dy, tf.zerosLike(dy)],
  }))(z, codes);
}

/** Divides rows into parts, of which each has a table with all codes that is not too large. */
function partsOf(rows: number, codes: number): number[] {
  const most = Math.max(1, Math.floor(MAX_TABLE / codes));
  return Array.from({ length: Math.ceil(rows / most) }, (_, i) => Math.min(most, rows - i * most));
}
