import * as tf from "@tensorflow/tfjs-core";
import { webgpu_util } from "@tensorflow/tfjs-backend-webgpu";
import { type KernelMaker, reshaped, sumParts } from "./program.ts";

/** From this many terms on TF.js adds parts of a small product atomically. */
const LONG_SUM = 2000;

/** Fewer terms are not worth a part of their own, and more parts would be as long to add up. */
const LEAST_TERMS = 64;
const MOST_PARTS = 64;

/** TF.js splits sums of products that would occupy at most this many groups of threads of 32 x 32 results. */
const FEW_GROUPS = 32;

/**
 * Products of matrices. Where a small result is a long sum, TF.js lets many threads add to it in whatever order they
 * arrive, which gives other digits each time. Here the sum has fixed parts, which are added in order.
 */
export const matMul: KernelMaker = (theirs) => (call) => {
  const { inputs: { a, b }, attrs, backend } = call;
  const { transposeA, transposeB } = attrs as unknown as tf.BatchMatMulAttrs;
  const [rows, terms] = lastTwo(a!, transposeA);
  const [, columns] = lastTwo(b!, transposeB);
  const outer = tf.util.sizeFromShape([...a!.shape.slice(0, -2), ...b!.shape.slice(0, -2)]);
  const few = Math.ceil(rows / 32) * Math.ceil(columns / 32) <= FEW_GROUPS;
  if (outer !== 1 || terms < LONG_SUM || !few) return theirs(call);
  const parts = partsOf(terms);
  if (!transposeA || transposeB || parts === 1) return withoutSplitting(() => theirs(call));

  // The products of the parts, [parts, rows, columns]: rows of both matrices lie one after the other.
  const left = reshaped(backend, a!, [parts, terms / parts, rows]);
  const right = reshaped(backend, b!, [parts, terms / parts, columns]);
  const products = theirs({ inputs: { a: left, b: right }, attrs, backend });
  const outShape = tf.broadcast_util.assertAndGetBroadcastShape(a!.shape.slice(0, -2), b!.shape.slice(0, -2));
  const out = sumParts(backend, products, [...outShape, rows, columns]);
  for (const { dataId } of [left, right, products]) backend.disposeData(dataId);
  return out;
};

/** The most parts of equal length. */
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
