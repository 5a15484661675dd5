import { isOperation } from "../../trace/emit/shape.ts";
import { type Graph, type InputValue, liveValues, type Value } from "../../trace/graph.ts";
import { rewrite } from "./rewrite.ts";

export interface SplitGraph {
  /** What follows from the fixed inputs alone, by the inputs that bring it to `outputs`. */
  readonly prepared: ReadonlyMap<InputValue, Value>;
  /** The graph's outputs, from its inputs and from what was prepared. */
  readonly outputs: ReadonlyMap<string, Value>;
}

const PREFIX = "prepared:";

/** Cut a graph where what depends on some inputs alone, those that never change, meets the rest. */
export function splitFixed(
  graph: Graph,
  outputs: ReadonlyMap<string, Value>,
  fixedInputs: ReadonlySet<InputValue>,
): SplitGraph {
  const fixed = new Set<Value>(fixedInputs);
  const live = liveValues(outputs.values());
  const met = new Set<Value>(outputs.values());
  for (const value of live) {
    if (value.kind !== "operation") continue;
    // Only these types can be handed over by a caller.
    const typed = value.type === "float32" || value.type === "int32";
    const known = value.inputs.every((input) => input.kind === "constant" || fixed.has(input));
    if (typed && known && value.inputs.some((input) => fixed.has(input))) fixed.add(value);
    else value.inputs.forEach((input) => met.add(input));
  }
  const prepared = new Map<InputValue, Value>();
  const replaced = new Map<Value, Value>();
  for (const value of live) {
    if (!met.has(value) || !fixed.has(value)) continue;
    const source = withoutReshapes(value);
    if (source.kind !== "operation" || replaced.has(source)) continue;
    const input = graph.input(`${PREFIX}${prepared.size}`, source.type, source.shape);
    prepared.set(input, source);
    replaced.set(source, input);
  }
  return { prepared, outputs: rewrite(graph, outputs, replaced) };
}

/** A Reshape costs nothing where it is used, and a copy where its result is kept. */
function withoutReshapes(value: Value): Value {
  return isOperation(value, "Reshape") ? withoutReshapes(value.inputs[0]!) : value;
}
