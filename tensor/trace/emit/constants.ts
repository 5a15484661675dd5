import type { ConstantData, ConstantValue, ElementType, Graph, Shape, Value } from "../graph.ts";

/** One number as a tensor of shape []. */
export function scalar(graph: Graph, type: ElementType, value: number): ConstantValue {
  return graph.constant(type, [], elements(type, [value]));
}

/** One number repeated over a shape. */
export function splat(graph: Graph, type: ElementType, shape: Shape, value: number): ConstantValue {
  return graph.constant(type, shape, elements(type, [value]));
}

/** A list of integers as ONNX wants axes, shapes and bounds: int64 of shape [n]. */
export function indices(graph: Graph, values: readonly number[]): ConstantValue {
  return graph.constant("int64", [values.length], elements("int64", values));
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

function elements(type: ElementType, values: readonly number[]): ConstantData {
  switch (type) {
    case "float32":
      return Float32Array.from(values);
    case "int32":
      return Int32Array.from(values);
    case "uint32":
      return Uint32Array.from(values);
    case "bool":
      return Uint8Array.from(values, (value) => value === 0 ? 0 : 1);
    case "int64":
      return BigInt64Array.from(values, BigInt);
    case "float64":
      throw new Error("Cannot happen: the graph has no float64 constants.");
  }
}
