import { type Graph, liveValues, type Value } from "../../trace/graph.ts";

/** The outputs of a graph after some of its values were replaced; what depends on them is made anew. */
export function rewrite(
  graph: Graph,
  outputs: ReadonlyMap<string, Value>,
  replaced: ReadonlyMap<Value, Value>,
): Map<string, Value> {
  const current = new Map(replaced);
  for (const value of liveValues(outputs.values())) {
    if (current.has(value) || value.kind !== "operation") continue;
    const inputs = value.inputs.map((input) => current.get(input) ?? input);
    if (inputs.every((input, i) => input === value.inputs[i])) continue;
    current.set(value, graph.operation(value.op, inputs, value.type, value.shape, value.attributes));
  }
  return new Map([...outputs].map(([name, value]) => [name, current.get(value) ?? value]));
}
