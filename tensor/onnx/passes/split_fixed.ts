import { isOperation } from "../../trace/emit/shape.ts";
import { type Graph, type InputValue, liveValues, type Value } from "../../trace/graph.ts";
import { rewriteEach } from "./rewrite.ts";

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
  const fixed = followers(outputs, fixedInputs);
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
    const source = withoutViews(value);
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
export function followers(outputs: ReadonlyMap<string, Value>, fixedInputs: ReadonlySet<InputValue>): Set<Value> {
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
export function withoutViews(value: Value): Value {
  return isOperation(value, "Reshape") || isOperation(value, "Expand") ? withoutViews(value.inputs[0]!) : value;
}
