import { isOperation } from "../../trace/emit/shape.ts";
import { type Graph, type InputValue, liveValues, type Value } from "../../trace/graph.ts";
import { rewriteEach } from "../../trace/rewrite.ts";
import { computeConvolution, methodFor } from "../../trace/translations/conv.ts";

/**
 * Cuts a graph in two: the part that depends only on inputs that never change, and the rest.
 * @param inputs all inputs; a new input has a different name from each of them
 * @returns `prepared`, which maps each new input to the value, computed from the fixed inputs alone, that it stands
 * for; and `outputs`, the graph's outputs from its inputs and the new ones
 */
export function splitFixed(
  graph: Graph,
  inputs: readonly InputValue[],
  outputs: ReadonlyMap<string, Value>,
  fixedInputs: ReadonlySet<InputValue>,
) {
  const fixed = fixedValues(outputs, fixedInputs);
  const live = liveValues(outputs.values());
  const met = new Set<Value>(outputs.values());
  for (const value of live) {
    if (value.kind === "operation" && !fixed.has(value)) value.inputs.forEach((input) => met.add(input));
  }
  const taken = new Set(inputs.map(({ name }) => name));
  const prepared = new Map<InputValue, Value>();
  const replaced = new Map<Value, Value>();
  for (const value of live) {
    if (!met.has(value) || !fixed.has(value)) continue;
    const source = stripViews(value);
    if (source.kind !== "operation" || replaced.has(source)) continue;
    let name = `prepared:${prepared.size}`;
    while (taken.has(name)) name += "'";
    const input = graph.input(name, source.type, source.shape);
    prepared.set(input, source);
    replaced.set(source, input);
  }
  return { prepared, outputs: rewriteEach(graph, outputs, (value) => replaced.get(value)) };
}

/** Returns the fixed inputs and the values that depend on them alone. */
function fixedValues(outputs: ReadonlyMap<string, Value>, fixedInputs: ReadonlySet<InputValue>): Set<Value> {
  const fixed = new Set<Value>(fixedInputs);
  for (const value of liveValues(outputs.values())) {
    // Callers can pass only these types.
    if (value.kind !== "operation" || value.type !== "float32" && value.type !== "int32") continue;
    const known = value.inputs.every((input) => input.kind === "constant" || fixed.has(input));
    if (known && value.inputs.some((input) => fixed.has(input))) fixed.add(value);
  }
  return fixed;
}

/** Removes reshapes and expansions, which cost less where a value is used than storing their result. */
export function stripViews(value: Value): Value {
  return isOperation(value, "Reshape") || isOperation(value, "Expand") ? stripViews(value.inputs[0]!) : value;
}

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
  const known = fixedValues(outputs, fixed);
  return rewriteEach(graph, outputs, (value, current) => {
    if (value.kind !== "operation") return undefined;
    const [, filter] = value.inputs;
    return computeConvolution(
      graph,
      value,
      value.inputs.map(current),
      (g) => methodFor(g, fastConv && known.has(filter!)),
    );
  });
}
