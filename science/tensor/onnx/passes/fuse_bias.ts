import { isOperation, permutationOf, reshape } from "../../trace/emit/shape.ts";
import { type Graph, type OperationValue, sameShape, sizeOf, type Value } from "../../trace/graph.ts";
import { countUses, rewriteEach, withInputs } from "../../trace/rewrite.ts";

/**
 * Moves a bias that is added to the channels of a convolution or matrix product into that operation, which adds it
 * while the result is in registers. ONNX Runtime does this itself only for constant biases; ours are inputs.
 */
export function fuseBias(graph: Graph, outputs: ReadonlyMap<string, Value>): Map<string, Value> {
  const uses = countUses(outputs);
  return rewriteEach(graph, outputs, (value, current) => {
    if (!isOperation(value, "Add")) return undefined;
    const biased = matchBias(value, (other) => uses.get(other) === 1);
    if (biased === undefined) return undefined;
    const { producer, chain, bias } = biased;
    const inputs = [...producer.inputs.map(current), reshape(graph, current(bias), [sizeOf(bias.shape)])];
    const fused = graph.operation(producer.op, inputs, producer.type, producer.shape, producer.attributes);
    return chain.reduceRight((x, step) => withInputs(graph, step, [x]), fused);
  });
}

/**
 * Finds the operation that produces the operand of a bias, the bias, and the operations between producer and sum, last
 * first.
 */
function matchBias(sum: OperationValue, usedOnce: (value: Value) => boolean) {
  const channels = sum.shape.at(-1);
  for (const [whole, bias] of [[sum.inputs[0]!, sum.inputs[1]!], [sum.inputs[1]!, sum.inputs[0]!]] as const) {
    const perChannel = bias.shape.at(-1) === channels && sizeOf(bias.shape) === channels;
    if (!perChannel || !sameShape(whole.shape, sum.shape)) continue;
    const chain: OperationValue[] = [];
    let value = whole;
    while (value.kind === "operation" && usedOnce(value) && movesPixelsOnly(value)) {
      chain.push(value);
      value = value.inputs[0]!;
    }
    if (value.kind !== "operation" || !usedOnce(value) || value.inputs.length !== 2) continue;
    const transposed = chain.some((step) => step.op === "Transpose");
    if (value.op === (transposed ? "Conv" : "Gemm")) return { producer: value, chain, bias };
  }
  return undefined;
}

/**
 * True if a step keeps channels whole: a reshape that keeps the last axis, or the transposition from [N, C, H, W] back
 * to [N, H, W, C].
 */
function movesPixelsOnly(value: OperationValue): boolean {
  if (value.op === "Reshape") return value.shape.at(-1) === value.inputs[0]!.shape.at(-1);
  return value.op === "Transpose" && sameShape(permutationOf(value), [0, 2, 3, 1]);
}
