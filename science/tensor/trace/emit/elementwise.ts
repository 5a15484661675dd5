import * as tf from "@tensorflow/tfjs-core";
import type { ElementType, Graph, Shape, Value } from "../graph.ts";
import { expand, isOperation, isSplat, scalar, splatValue } from "./shape.ts";

/**
 * Emitters of operations on single elements. An operation on a broadcast operand runs on the operand before
 * broadcasting, and its result is broadcast instead: autodiff multiplies by whole tensors of ones, which would
 * otherwise be read and written in each run.
 */

/**
 * Broadcasts shapes by NumPy's rule.
 * @throws Error when the shapes do not fit: TF.js's ops leave this check to its backends.
 */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  return tf.broadcast_util.assertAndGetBroadcastShape([...a], [...b]);
}

export function unary(graph: Graph, op: string, x: Value, type: ElementType = x.type): Value {
  const small = beforeBroadcast(graph, x);
  return expand(graph, graph.operation(op, [small], type, small.shape), x.shape);
}

export function binary(graph: Graph, op: string, a: Value, b: Value, type: ElementType = a.type): Value {
  const shape = broadcastShapes(a.shape, b.shape);
  const left = beforeBroadcast(graph, a);
  const right = beforeBroadcast(graph, b);
  const kept = neutralOperand(op, left, right);
  if (kept !== undefined) return expand(graph, kept, shape);
  return expand(graph, graph.operation(op, [left, right], type, broadcastShapes(left.shape, right.shape)), shape);
}

/** Computes `condition ? a : b` for each element, with broadcasting. */
export function where(graph: Graph, condition: Value, a: Value, b: Value): Value {
  const operands = [condition, a, b].map((operand) => beforeBroadcast(graph, operand));
  const small = operands.map((operand) => operand.shape).reduce(broadcastShapes);
  const shape = [condition, a, b].map((operand) => operand.shape).reduce(broadcastShapes);
  return expand(graph, graph.operation("Where", operands, a.type, small), shape);
}

/** ONNX's numbers of element types (TensorProto.DataType). */
export const ONNX_TYPE: Readonly<Record<ElementType, number>> = {
  float32: 1,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
  uint32: 12,
  bfloat16: 16,
};

export function cast(graph: Graph, x: Value, type: ElementType): Value {
  if (x.type === type) return x;
  const small = beforeBroadcast(graph, x);
  const converted = graph.operation("Cast", [small], type, small.shape, { to: ONNX_TYPE[type] });
  return expand(graph, converted, x.shape);
}

/** Returns a value that broadcasts to the same elements as `x`, with as few elements as possible. */
function beforeBroadcast(graph: Graph, x: Value): Value {
  if (isOperation(x, "Expand")) return x.inputs[0]!;
  if (isSplat(x) && x.shape.length > 0) return graph.constant(x.type, [], x.data);
  return x;
}

/** Returns the operand that equals the result because the other one is 0 or 1, if any. */
function neutralOperand(op: string, a: Value, b: Value): Value | undefined {
  const left = splatValue(a);
  const right = splatValue(b);
  if ((op === "Mul" || op === "Div") && right === 1) return a;
  if ((op === "Add" || op === "Sub") && right === 0) return a;
  if (op === "Mul" && left === 1) return b;
  if (op === "Add" && left === 0) return b;
  return undefined;
}

/** Multiplies float32 x by a number. */
export function scale(graph: Graph, x: Value, factor: number): Value {
  return binary(graph, "Mul", x, scalar(graph, x.type, factor));
}
