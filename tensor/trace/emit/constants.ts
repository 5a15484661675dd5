import type { ConstantData, ConstantValue, ElementType, Graph, Shape, Value } from "../graph.ts";

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
