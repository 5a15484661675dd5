import { isOperation, permutationOf } from "../../trace/emit/shape.ts";
import { float, sameShape, sizeOf } from "../../trace/graph.ts";
import type { FloatAttribute, Graph, OperationValue, Value } from "../../trace/graph.ts";
import { countUses, rewriteEach } from "../../trace/rewrite.ts";

/**
 * Uses ONNX Runtime's own operators, which do in one pass over memory what takes ONNX several: a matrix product that
 * reads an operand transposed and scales its result, and x sigmoid(x). ONNX Runtime would find these patterns by
 * itself, but only together with optimizations that gain nothing else here and take a third of the time to make a
 * session.
 */
export function fuseContrib(graph: Graph, outputs: ReadonlyMap<string, Value>): Map<string, Value> {
  const uses = countUses(outputs);
  return rewriteEach(graph, outputs, (value, current) => {
    if (value.kind !== "operation" || value.type !== "float32") return undefined;
    if (value.op === "MatMul") return fuseOperands(graph, value, current);
    if (value.op !== "Mul") return undefined;
    const gated = gatedBySigmoid(value, uses);
    if (gated !== undefined) {
      return graph.operation("QuickGelu", [current(gated)], value.type, value.shape, { alpha: float(1) });
    }
    const scaled = scaledValue(value);
    if (scaled === undefined || uses.get(scaled.x) !== 1) return undefined;
    const product = current(scaled.x);
    if (!isOperation(product, "MatMul") && !isOperation(product, "FusedMatMul")) return undefined;
    const { alpha = float(1), transA = 0, transB = 0 } = product.attributes;
    const attributes = { alpha: float((alpha as FloatAttribute).float * scaled.factor), transA, transB };
    return graph.operation("FusedMatMul", product.inputs, product.type, product.shape, attributes);
  });
}

function fuseOperands(graph: Graph, value: OperationValue, current: (value: Value) => Value): Value | undefined {
  const [left, right] = value.inputs as [Value, Value];
  const [a, b] = [stripOperand(current(left)), stripOperand(current(right))];
  if (!a.stripped && !b.stripped) return undefined;
  const attributes = { alpha: float(a.factor * b.factor), transA: Number(a.transposed), transB: Number(b.transposed) };
  return graph.operation("FusedMatMul", [a.x, b.x], value.type, value.shape, attributes);
}

/** Removes the scaling and transposition of an operand that a product can do itself. */
function stripOperand(operand: Value) {
  let [x, factor, transposed] = [operand, 1, false];
  for (;;) {
    const scaled = scaledValue(x);
    if (scaled !== undefined) [x, factor] = [scaled.x, factor * scaled.factor];
    else if (swapsLastTwo(x)) [x, transposed] = [x.inputs[0]!, !transposed];
    else return { x, factor, transposed, stripped: x !== operand };
  }
}

function swapsLastTwo(value: Value): value is OperationValue {
  if (!isOperation(value, "Transpose")) return false;
  const rank = value.shape.length;
  const swapped = value.shape.map((_, axis) => axis < rank - 2 ? axis : 2 * rank - 3 - axis);
  return sameShape(permutationOf(value), swapped);
}

/**
 * Largest factor that may be moved from before a product to after it; the smallest is its inverse. With other factors
 * one order could overflow and the other not.
 */
const MAX_FACTOR = 2 ** 20;

/** Returns the operands of a multiplication by a constant number. */
function scaledValue(value: Value): { readonly x: Value; readonly factor: number } | undefined {
  if (!isOperation(value, "Mul")) return undefined;
  const [a, b] = value.inputs as [Value, Value];
  const [x, constant] = b.kind === "constant" ? [a, b] : [b, a];
  if (constant.kind !== "constant" || sizeOf(constant.shape) !== 1 || !sameShape(x.shape, value.shape)) {
    return undefined;
  }
  const factor = Number(constant.data[0]);
  const size = Math.abs(factor);
  return size >= 1 / MAX_FACTOR && size <= MAX_FACTOR ? { x, factor } : undefined;
}

function gatedBySigmoid({ inputs }: OperationValue, uses: ReadonlyMap<Value, number>): Value | undefined {
  const [a, b] = inputs as [Value, Value];
  const gates = (gate: Value, x: Value) => isOperation(gate, "Sigmoid") && gate.inputs[0] === x && uses.get(gate) === 1;
  if (gates(b, a)) return a;
  return gates(a, b) ? b : undefined;
}
