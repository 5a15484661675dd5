import type { ConstantData, ConstantValue, ElementType, Graph, Shape, Value } from "../graph.ts";

/** Of the types that have constants of numbers; axes and the like are int64. */
const ARRAYS = { float32: Float32Array, int32: Int32Array, uint32: Uint32Array, bool: Uint8Array };

/** One number as a tensor of shape []. */
export function scalar(graph: Graph, type: ElementType, value: number): ConstantValue {
  return splat(graph, type, [], value);
}

/** One number repeated over a shape. */
export function splat(graph: Graph, type: ElementType, shape: Shape, value: number): ConstantValue {
  const Elements = ARRAYS[type as keyof typeof ARRAYS];
  return graph.constant(type, shape, Elements.of(type === "bool" ? Number(value !== 0) : value));
}

/** A list of integers as ONNX wants axes, shapes and bounds: int64 of shape [n]. */
export function indices(graph: Graph, values: readonly number[]): ConstantValue {
  const make = () => graph.constant("int64", [values.length], BigInt64Array.from(values, BigInt));
  return graph.table(`indices|${values}`, make);
}

/** A constant from whole host data; data with one distinct element is kept as that element. */
export function fromData(graph: Graph, type: ElementType, shape: Shape, data: ConstantData): ConstantValue {
  const uniform = data.length > 1 && data.every((element) => Object.is(element, data[0]));
  return graph.constant(type, shape, uniform ? data.slice(0, 1) : data);
}

/** The number that a constant repeats, or undefined. */
export function splatValue(value: Value): number | undefined {
  return value.kind === "constant" && value.data.length === 1 ? Number(value.data[0]) : undefined;
}

/** Whether a constant repeats one number, also over a shape of one element. */
export function isSplat(value: Value): value is ConstantValue {
  return value.kind === "constant" && value.data.length === 1;
}
