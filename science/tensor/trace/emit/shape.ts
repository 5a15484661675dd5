import { sameShape, sizeOf } from "../graph.ts";
import type { ConstantData, ConstantValue, ElementType, Graph, OperationValue, Shape, Value } from "../graph.ts";

/** Emitters of operations that move elements. They emit nothing if nothing would change. */

export function reshape(graph: Graph, x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  if (sizeOf(x.shape) !== sizeOf(shape)) throw new Error(`shape [${x.shape}] cannot be reshaped to [${shape}]`);
  if (x.kind === "constant") return graph.constant(x.type, shape, x.data);
  if (isOperation(x, "Reshape")) return reshape(graph, x.inputs[0]!, shape);
  return graph.operation("Reshape", [x, indices(graph, shape)], x.type, shape);
}

/** Reshapes [N, ...size, C] -> [pixels of all images, C]. */
export function rowsOfPixels(graph: Graph, images: Value): Value {
  const channels = images.shape.at(-1)!;
  return reshape(graph, images, [sizeOf(images.shape) / channels, channels]);
}

/** Permutes axes: axis i of the result is axis `permutation[i]` of `x`. */
export function transpose(graph: Graph, x: Value, permutation: readonly number[]): Value {
  const shape = permutation.map((axis) => x.shape[axis]!);
  const moved = permutation.filter((axis) => x.shape[axis] !== 1);
  if (moved.every((axis, i) => i === 0 || axis > moved[i - 1]!)) return reshape(graph, x, shape);
  if (isOperation(x, "Transpose")) {
    const inner = permutationOf(x);
    return transpose(graph, x.inputs[0]!, permutation.map((axis) => inner[axis]!));
  }
  if (x.kind === "constant" && x.data.length === 1) return graph.constant(x.type, shape, x.data);
  return graph.operation("Transpose", [x], x.type, shape, { perm: permutation });
}

export function permutationOf(transposed: Value): readonly number[] {
  return (transposed as OperationValue).attributes["perm"] as readonly number[];
}

/** Broadcasts to a larger shape. */
export function expand(graph: Graph, x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  if (x.kind === "constant" && x.data.length === 1) return graph.constant(x.type, shape, x.data);
  if (isOperation(x, "Expand")) return expand(graph, x.inputs[0]!, shape);
  return graph.operation("Expand", [x, indices(graph, shape)], x.type, shape);
}

export function concat(graph: Graph, parts: readonly Value[], axis: number): Value {
  const full = parts.filter((part) => part.shape[axis] !== 0);
  const [first, ...rest] = full.length === 0 ? parts : full;
  if (first === undefined) throw new Error("Cannot happen: concat of nothing.");
  if (rest.length === 0) return first;
  const shape = first.shape.map((dimension, i) =>
    i === axis ? full.reduce((sum, part) => sum + part.shape[axis]!, 0) : dimension
  );
  return graph.operation("Concat", full, first.type, shape, { axis });
}

/** Appends a row of one number to the rows of each matrix. Tables point at this row where there is no pixel. */
export function withPaddingRow(graph: Graph, rows: Value, value = 0): Value {
  const axis = rows.shape.length - 2;
  return concat(graph, [rows, splat(graph, "float32", rows.shape.with(axis, 1), value)], axis);
}

interface AxisRange {
  readonly axis: number;
  /** First index. */
  readonly start: number;
  /** Number of indices. */
  readonly count: number;
  /** Distance of the indices, negative for backwards. Default 1. */
  readonly step?: number;
}

export function slice(graph: Graph, x: Value, ranges: readonly AxisRange[]): Value {
  const partial = ranges.filter(({ axis, count, step = 1 }) => count !== x.shape[axis] || step < 0 && count > 1);
  if (partial.length === 0) return x;
  const shape = [...x.shape];
  for (const { axis, count } of partial) shape[axis] = count;
  if (x.kind === "constant" && x.data.length === 1) return graph.constant(x.type, shape, x.data);
  const [only] = partial;
  if (partial.length === 1 && isPart(x, only!)) return gatherPart(graph, x, only!);
  const ends = partial.map(({ start, count, step = 1 }) => {
    const end = start + (count - 1) * step + Math.sign(step);
    // A negative end counts from the back; the smallest int32 is ONNX's way to say "before index 0".
    return end < 0 ? -(2 ** 31) : end;
  });
  return graph.operation(
    "Slice",
    [
      x,
      indices(graph, partial.map(({ start }) => start)),
      indices(graph, ends),
      indices(graph, partial.map(({ axis }) => axis)),
      indices(graph, partial.map(({ step = 1 }) => step)),
    ],
    x.type,
    shape,
  );
}

/** Reverses each of some axes. */
export function reverse(graph: Graph, x: Value, axes: readonly number[]): Value {
  return slice(graph, x, axes.map((axis) => ({ axis, start: x.shape[axis]! - 1, count: x.shape[axis]!, step: -1 })));
}

/**
 * True if a range is one of several equal parts of the last axis. False for constants, since reshaping would copy them.
 */
function isPart({ kind, shape }: Value, { axis, start, count, step = 1 }: AxisRange): boolean {
  if (kind === "constant" || shape.length < 2 || axis !== shape.length - 1 || step !== 1) return false;
  return shape[axis]! % count === 0 && start % count === 0;
}

/** Takes a part by a gather: ONNX Runtime gathers with all threads and slices with one. */
function gatherPart(graph: Graph, x: Value, { axis, start, count }: AxisRange): Value {
  const parts = reshape(graph, x, [...x.shape.slice(0, -1), x.shape[axis]! / count, count]);
  return gather(graph, parts, graph.constant("int32", [], Int32Array.of(start / count)), axis);
}

/** Pads each axis; `before` and `after` hold one count for each axis. */
export function pad(graph: Graph, x: Value, before: Shape, after: Shape, value = 0): Value {
  if ([...before, ...after].every((count) => count === 0)) return x;
  const shape = x.shape.map((dimension, axis) => before[axis]! + dimension + after[axis]!);
  const inputs = [x, indices(graph, [...before, ...after]), scalar(graph, x.type, value)];
  return graph.operation("Pad", inputs, x.type, shape);
}

/** Repeats each axis `repeats[axis]` times. */
export function tile(graph: Graph, x: Value, repeats: Shape): Value {
  const shape = x.shape.map((dimension, axis) => dimension * repeats[axis]!);
  const broadcasts = repeats.every((count, axis) => count === 1 || x.shape[axis] === 1);
  if (broadcasts) return expand(graph, x, shape);
  return graph.operation("Tile", [x, indices(graph, repeats)], x.type, shape);
}

export function gather(graph: Graph, x: Value, at: Value, axis: number): Value {
  const shape = [...x.shape.slice(0, axis), ...at.shape, ...x.shape.slice(axis + 1)];
  return graph.operation("Gather", [x, at], x.type, shape, { axis });
}

export function isOperation(value: Value, op: string): value is Extract<Value, { kind: "operation" }> {
  return value.kind === "operation" && value.op === op;
}

/** Array types of the element types that have numeric constants; axes and the like are int64. */
const ARRAYS = { float32: Float32Array, int32: Int32Array, uint32: Uint32Array, bool: Uint8Array };

/** Returns one number as a tensor of shape []. */
export function scalar(graph: Graph, type: ElementType, value: number): ConstantValue {
  return splat(graph, type, [], value);
}

/** Returns one number repeated over a shape. */
export function splat(graph: Graph, type: ElementType, shape: Shape, value: number): ConstantValue {
  const Elements = ARRAYS[type as keyof typeof ARRAYS];
  return graph.constant(type, shape, Elements.of(type === "bool" ? Number(value !== 0) : value));
}

/** Returns a list of integers in ONNX's form for axes, shapes and bounds: int64 of shape [n]. */
export function indices(graph: Graph, values: readonly number[]): ConstantValue {
  const make = () => graph.constant("int64", [values.length], BigInt64Array.from(values, BigInt));
  return graph.table(`indices|${values}`, make);
}

/** Returns a constant with the given host data; data with one distinct element is stored as that element. */
export function fromData(graph: Graph, type: ElementType, shape: Shape, data: ConstantData): ConstantValue {
  const uniform = data.length > 1 && data.every((element) => Object.is(element, data[0]));
  return graph.constant(type, shape, uniform ? data.slice(0, 1) : data);
}

/** Returns the number that a constant repeats, or undefined. */
export function splatValue(value: Value): number | undefined {
  return value.kind === "constant" && value.data.length === 1 ? Number(value.data[0]) : undefined;
}

/** True if a constant repeats one number, even over a shape of one element. */
export function isSplat(value: Value): value is ConstantValue {
  return value.kind === "constant" && value.data.length === 1;
}
