import type { ProductOptions } from "../../matrix.ts";
import { type Graph, sizeOf, type Value } from "../graph.ts";
import { broadcastShapes } from "./elementwise.ts";
import { indices, reshape, splat, transpose } from "./shape.ts";

/** Emitters of operations that sum over elements. */

export type Reduction = "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd";

export function reduce(graph: Graph, op: Reduction, x: Value, axes: readonly number[], keepDims: boolean): Value {
  const kept = x.shape.map((dimension, axis) => axes.includes(axis) ? 1 : dimension);
  const shape = keepDims ? kept : x.shape.filter((_, axis) => !axes.includes(axis));
  if (axes.every((axis) => x.shape[axis] === 1)) return reshape(graph, x, shape);
  const sorted = [...axes].sort((a, b) => a - b);
  const parts = op === "ReduceSum" ? inTwoSteps(x, sorted) : undefined;
  if (parts !== undefined) {
    const rows = reduce(graph, op, reshape(graph, x, parts), [1], false);
    return reshape(graph, reduce(graph, op, rows, [0], false), shape);
  }
  // Always reduces without kept axes, so that the two forms of the same sum are one value.
  const flat = x.shape.filter((_, axis) => !axes.includes(axis));
  const reduced = graph.operation(op, [x, indices(graph, sorted)], x.type, flat, { keepdims: 0 });
  return reshape(graph, reduced, shape);
}

/** A sum over fewer elements is not worth a second operation. */
const TWO_STEP_LENGTH = 2 ** 14;

/**
 * A sum over the leading axes has few results, and ONNX Runtime gives each result to one thread. Returns a shape [rows,
 * length, rest] whose second axis all threads can sum first, or undefined if that would not help.
 */
function inTwoSteps(x: Value, axes: readonly number[]): number[] | undefined {
  const leading = axes.every((axis, i) => axis === i);
  const summed = sizeOf(x.shape.slice(0, axes.length));
  const rest = sizeOf(x.shape.slice(axes.length));
  if (!leading || summed * rest < TWO_STEP_LENGTH) return undefined;
  if (axes.length > 1 && x.shape[0]! > 1) return [x.shape[0]!, summed / x.shape[0]!, rest];
  // A vector has no axes to split by, so this uses the largest power of two up to 64 that divides its length.
  const rows = Math.min(64, summed & -summed);
  return rest === 1 && rows > 1 ? [rows, summed / rows, 1] : undefined;
}

/**
 * Sums [k, ...shape] -> shape, for few parts, by a product with a row of ones, which ONNX Runtime spreads over its
 * threads, three times as fast as its own sum over a leading axis.
 */
export function sumOfParts(graph: Graph, parts: Value): Value {
  const [count, ...shape] = parts.shape as [number, ...number[]];
  const rows = reshape(graph, parts, [count, sizeOf(shape)]);
  return reshape(graph, matMul(graph, splat(graph, "float32", [1, count], 1), rows), shape);
}

/** Multiplies [..., n, k] by [..., k, m], leading axes broadcast; the flags swap the last two axes of an operand. */
export function matMul(graph: Graph, a: Value, b: Value, flags: ProductOptions = {}): Value {
  const { transposeA = false, transposeB = false } = flags;
  const rows = a.shape.at(transposeA ? -1 : -2)!;
  const columns = b.shape.at(transposeB ? -2 : -1)!;
  if (a.shape.at(transposeA ? -2 : -1) !== b.shape.at(transposeB ? -1 : -2)) {
    const flags = `transposeA ${transposeA}, transposeB ${transposeB}`;
    throw new Error(`matrices [${a.shape}] and [${b.shape}] do not fit (${flags})`);
  }
  if (a.shape.length === 2 && b.shape.length === 2 && a.type === "float32") {
    const attributes = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 };
    return graph.operation("Gemm", [a, b], a.type, [rows, columns], attributes);
  }
  const left = transposeA ? swapLastTwo(graph, a) : a;
  const right = transposeB ? swapLastTwo(graph, b) : b;
  const batch = broadcastShapes(left.shape.slice(0, -2), right.shape.slice(0, -2));
  return graph.operation("MatMul", [left, right], a.type, [...batch, rows, columns]);
}

function swapLastTwo(graph: Graph, x: Value): Value {
  const rank = x.shape.length;
  const axes = Array.from({ length: rank - 2 }, (_, axis) => axis);
  return transpose(graph, x, [...axes, rank - 1, rank - 2]);
}
