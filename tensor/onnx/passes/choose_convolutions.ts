import { computeConvolution } from "../../trace/kernels/conv.ts";
import type { Graph, InputValue, Value } from "../../trace/graph.ts";
import { rewriteEach } from "./rewrite.ts";
import { followers } from "./split_fixed.ts";

/**
 * Replaces each convolution, and each gradient of one, by the operations that compute it.
 * @param fixed the inputs that never change; filters that depend on them alone become constants
 * @param fastConv true if ONNX Runtime's own convolution is fast with a constant filter
 */
export function chooseConvolutions(
  graph: Graph,
  outputs: ReadonlyMap<string, Value>,
  fixed: ReadonlySet<InputValue>,
  fastConv: boolean,
): Map<string, Value> {
  const known = followers(outputs, fixed);
  return rewriteEach(graph, outputs, (value, current) => {
    if (value.kind !== "operation") return undefined;
    const [, filter] = value.inputs;
    return computeConvolution(graph, value, value.inputs.map(current), fastConv && known.has(filter!));
  });
}
