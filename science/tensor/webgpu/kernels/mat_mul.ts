import * as tf from "@tensorflow/tfjs-core";
import { webgpu_util } from "@tensorflow/tfjs-backend-webgpu";

/** From this many terms on, TF.js adds parts of a small product atomically. */
const LONG_SUM = 2000;

/** Fewer terms are not worth a separate part, and more parts would take as long to add up. */
const LEAST_TERMS = 64;
const MOST_PARTS = 64;

/** TF.js splits sums of products that would occupy at most this many groups of threads of 32 x 32 results. */
const FEW_GROUPS = 32;

/**
 * Multiplies matrices. If a small result is a long sum, TF.js lets many threads add to it in the order in which they
 * arrive, which gives different digits each time. Here the sum has fixed parts, which are added in order.
 */
export const matMul = (theirs: tf.KernelFunc): tf.KernelFunc => (call) => {
  const { inputs: { a, b }, attrs } = call;
  const { transposeA, transposeB } = attrs as unknown as tf.BatchMatMulAttrs;
  const [rows, terms] = lastTwo(a!, transposeA);
  const [, columns] = lastTwo(b!, transposeB);
  const outer = tf.util.sizeFromShape([...a!.shape.slice(0, -2), ...b!.shape.slice(0, -2)]);
  const few = Math.ceil(rows / 32) * Math.ceil(columns / 32) <= FEW_GROUPS;
  if (outer !== 1 || terms < LONG_SUM || !few) return theirs(call);
  const parts = partsOf(terms);
  if (!transposeA || transposeB || parts === 1) return withoutSplitting(() => theirs(call));

  return tf.tidy(() => {
    const [left, right] = [a as tf.Tensor, b as tf.Tensor];
    // The products of the parts, [parts, rows, columns]: the rows of a part are contiguous in both matrices.
    const products = tf.matMul(
      tf.reshape(left, [parts, terms / parts, rows]),
      tf.reshape(right, [parts, terms / parts, columns]),
      true,
    );
    const sum = tf.matMul(tf.ones([1, parts]), tf.reshape(products, [parts, rows * columns]));
    const outShape = tf.broadcast_util.assertAndGetBroadcastShape(left.shape.slice(0, -2), right.shape.slice(0, -2));
    return tf.reshape(sum, [...outShape, rows, columns]);
  });
};

/** Returns the largest number of parts of equal length. */
function partsOf(terms: number): number {
  let parts = Math.min(MOST_PARTS, Math.floor(terms / LEAST_TERMS));
  while (terms % parts !== 0) parts--;
  return parts;
}

function withoutSplitting<T>(body: () => T): T {
  const flag = "WEBGPU_MATMUL_PROGRAM_TYPE";
  const before = tf.env().getNumber(flag);
  tf.env().set(flag, webgpu_util.MatMulProgramType.MatMulSmallOutputSizeProgram);
  try {
    return body();
  } finally {
    tf.env().set(flag, before);
  }
}

function lastTwo({ shape }: tf.TensorInfo, transposed: boolean): [number, number] {
  const [first, second] = shape.slice(-2) as [number, number];
  return transposed ? [second, first] : [first, second];
}
