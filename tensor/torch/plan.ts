import { liveValues, type OperationValue, type Value } from "../trace/graph.ts";
import { tensorsOf } from "./operations.ts";

/** One operation of a program, and what nothing reads after it. */
export interface Step {
  readonly value: OperationValue;
  readonly operands: readonly Value[];
  /** Values to free once the operation has run. */
  readonly done: readonly Value[];
}

/**
 * Puts the operations of a graph in order. `once` depends on constants and fixed inputs alone; its values that `each`
 * reads, or that are results, stay.
 *
 * @param fixed names of inputs that never change
 */
export function planOf(outputs: ReadonlyMap<string, Value>, fixed: ReadonlySet<string>) {
  const results = new Set(outputs.values());
  const unchanging = new Set<Value>();
  const [first, rest]: [OperationValue[], OperationValue[]] = [[], []];
  const sources: Value[] = [];
  const live = liveValues(outputs.values());
  const read = new Set([...results, ...live.flatMap((value) => value.kind === "operation" ? tensorsOf(value) : [])]);
  for (const value of live) {
    if (value.kind !== "operation") {
      if (read.has(value)) sources.push(value);
      if (value.kind === "constant" || fixed.has(value.name)) unchanging.add(value);
      continue;
    }
    const known = tensorsOf(value).every((operand) => unchanging.has(operand));
    if (known) unchanging.add(value);
    (known ? first : rest).push(value);
  }
  const kept = new Set([...results, ...rest.flatMap(tensorsOf)]);
  const once = stepsOf(first, (value) => kept.has(value));
  const each = stepsOf(rest, (value) => results.has(value) || unchanging.has(value));
  return { sources, once, each };
}

function stepsOf(values: readonly OperationValue[], stays: (value: Value) => boolean): Step[] {
  const last = new Map<Value, OperationValue>();
  for (const value of values) {
    for (const operand of tensorsOf(value)) {
      if (operand.kind === "operation" && !stays(operand)) last.set(operand, value);
    }
  }
  return values.map((value) => {
    const operands = tensorsOf(value);
    return { value, operands, done: [...new Set(operands)].filter((operand) => last.get(operand) === value) };
  });
}
