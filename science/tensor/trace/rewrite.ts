import { reshape } from "./emit/shape.ts";
import { type Graph, liveValues, type OperationValue, type Value } from "./graph.ts";

/** Returns the current version of a value: itself, or its replacement. */
export type Current = (value: Value) => Value;

/**
 * Replaces values of a graph, and rebuilds everything that depends on them. Returns the new outputs.
 * @param replacement called for each value, after all values that it depends on; undefined keeps the value
 * @param note called for each value that stands for another, with both
 */
export function rewriteEach(
  graph: Graph,
  outputs: ReadonlyMap<string, Value>,
  replacement: (value: Value, current: Current) => Value | undefined,
  note: (made: Value, value: Value) => void = () => {},
): Map<string, Value> {
  const rewritten = new Map<Value, Value>();
  const current: Current = (value) => rewritten.get(value) ?? value;
  for (const value of liveValues(outputs.values())) {
    const reads = value.kind === "operation" && value.inputs.some((input) => rewritten.has(input));
    const made = replacement(value, current) ?? (reads ? withInputs(graph, value, value.inputs.map(current)) : value);
    if (made === value) continue;
    rewritten.set(value, made);
    note(made, value);
  }
  return new Map([...outputs].map(([name, value]) => [name, current(value)]));
}

/** Makes the same operation with other inputs; a reshape of a reshape becomes one. */
export function withInputs(graph: Graph, value: OperationValue, inputs: readonly Value[]): Value {
  const { op, type, shape, attributes } = value;
  return op === "Reshape" ? reshape(graph, inputs[0]!, shape) : graph.operation(op, inputs, type, shape, attributes);
}

/** Returns the operations that read each value, once for each operand, oldest first. */
export function usersOf(outputs: { values(): Iterable<Value> }): ReadonlyMap<Value, readonly OperationValue[]> {
  const users = new Map<Value, OperationValue[]>();
  for (const value of liveValues(outputs.values())) {
    if (value.kind !== "operation") continue;
    for (const input of value.inputs) users.getOrInsertComputed(input, () => []).push(value);
  }
  return users;
}

/** Counts how often each value is an operand or an output. */
export function countUses(outputs: { values(): Iterable<Value> }): ReadonlyMap<Value, number> {
  const uses = new Map<Value, number>();
  for (const [value, users] of usersOf(outputs)) uses.set(value, users.length);
  for (const value of outputs.values()) uses.set(value, (uses.get(value) ?? 0) + 1);
  return uses;
}
