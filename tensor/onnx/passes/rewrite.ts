import { type Graph, liveValues, type Value } from "../../trace/graph.ts";

/** What a value has become so far: itself, or what replaces it. */
export type Current = (value: Value) => Value;

/**
 * The outputs of a graph after some of its values were replaced; what depends on them is made anew.
 * @param replacement asked for each value, after all that it depends on; undefined for a value that stays as it is
 */
export function rewriteEach(
  graph: Graph,
  outputs: ReadonlyMap<string, Value>,
  replacement: (value: Value, current: Current) => Value | undefined,
): Map<string, Value> {
  const rewritten = new Map<Value, Value>();
  const current: Current = (value) => rewritten.get(value) ?? value;
  for (const value of liveValues(outputs.values())) {
    const made = replacement(value, current);
    if (made !== undefined) {
      rewritten.set(value, made);
    } else if (value.kind === "operation" && value.inputs.some((input) => rewritten.has(input))) {
      const inputs = value.inputs.map(current);
      rewritten.set(value, graph.operation(value.op, inputs, value.type, value.shape, value.attributes));
    }
  }
  return new Map([...outputs].map(([name, value]) => [name, current(value)]));
}

/** The outputs of a graph with some of its values in place of others. */
export function rewrite(
  graph: Graph,
  outputs: ReadonlyMap<string, Value>,
  replaced: ReadonlyMap<Value, Value>,
): Map<string, Value> {
  return rewriteEach(graph, outputs, (value) => replaced.get(value));
}

/** How often each value is an operand or an output. */
export function countUses(outputs: ReadonlyMap<string, Value>): ReadonlyMap<Value, number> {
  const uses = new Map<Value, number>();
  const use = (value: Value) => uses.set(value, (uses.get(value) ?? 0) + 1);
  for (const value of outputs.values()) use(value);
  for (const value of liveValues(outputs.values())) if (value.kind === "operation") value.inputs.forEach(use);
  return uses;
}
