import type { HostTensors } from "../../device.ts";
import { isOperation, reshape } from "../../trace/emit/shape.ts";
import { type Graph, type InputValue, liveValues, type OperationValue, sizeOf, type Value } from "../../trace/graph.ts";
import { rewriteEach, usersOf } from "../../trace/rewrite.ts";

/** A tensor that is a contiguous part of an array of the caller's. */
export interface View {
  /** Name of the whole input or output. */
  readonly whole: string;
  /** Index of the first element. */
  readonly start: number;
  readonly length: number;
}

export type ViewedGraph = Readonly<ReturnType<typeof splitFlatVectors>>;

/**
 * Avoids copies of flat vectors: a vector that is only cut into parts becomes one input for each part, and an output
 * that is only joined from parts becomes one output for each. Both are views of the caller's memory. A training step
 * would otherwise copy its parameters, moments and averages twice.
 */
export function splitFlatVectors(
  graph: Graph,
  inputs: readonly InputValue[],
  outputs: ReadonlyMap<string, Value>,
) {
  const uses = usersOf(outputs);
  const isOutput = new Set(outputs.values());

  const views = new Map<InputValue, View>();
  const kept: InputValue[] = [];
  const replaced = new Map<Value, Value>();
  const partNamed = new Map<string, InputValue>();
  const part = (whole: InputValue, start: number, shape: readonly number[]): InputValue => {
    const name = `${whole.name}[${start}:${start + sizeOf(shape)}]:${shape.join("x")}`;
    return partNamed.getOrInsertComputed(name, () => {
      const made = graph.input(name, whole.type, shape);
      views.set(made, { whole: whole.name, start, length: sizeOf(shape) });
      return made;
    });
  };
  for (const input of inputs) {
    const users = uses.get(input) ?? [];
    const cuts = users.map(contiguousCut);
    if (input.shape.length !== 1 || users.length === 0 || isOutput.has(input) || cuts.includes(undefined)) {
      kept.push(input);
      continue;
    }
    users.forEach((user, i) => {
      // A part that is reshaped after the cut becomes an input of the new shape.
      for (const next of uses.get(user) ?? []) {
        if (isOperation(next, "Reshape")) replaced.set(next, part(input, cuts[i]!, next.shape));
      }
      replaced.set(user, part(input, cuts[i]!, user.shape));
    });
  }

  const rewritten = rewriteEach(graph, outputs, (value) => replaced.get(value));
  const outputViews = new Map<string, View>();
  const split = new Map<string, Value>();
  for (const [name, value] of rewritten) {
    if (!isOperation(value, "Concat") || value.shape.length !== 1) {
      split.set(name, value);
      continue;
    }
    let start = 0;
    for (const piece of value.inputs) {
      const length = sizeOf(piece.shape);
      const partName = `${name}[${start}:${start + length}]`;
      split.set(partName, reshape(graph, piece, [length]));
      outputViews.set(partName, { whole: name, start, length });
      start += length;
    }
  }
  const live = new Set(liveValues(split.values()));
  const used = [...views.keys()].filter((value) => live.has(value));
  // The parts that replace whole inputs and outputs, by the names of the parts.
  const inputViews: ReadonlyMap<string, View> = new Map(used.map((value) => [value.name, views.get(value)!]));
  return { inputs: [...kept, ...used], outputs: split, inputViews, outputViews };
}

/** Returns the arrays, and views of them for the parts. */
export function viewArrays(arrays: HostTensors, views: ReadonlyMap<string, View>): HostTensors {
  const all = { ...arrays };
  for (const [name, { whole, start, length }] of views) {
    if (whole in arrays) all[name] = arrays[whole]!.subarray(start, start + length);
  }
  return all;
}

/** Returns the start of a Slice of a vector, if it takes contiguous elements. */
function contiguousCut(value: OperationValue): number | undefined {
  if (value.op !== "Slice" || value.shape.length !== 1) return undefined;
  const [, starts, , , steps] = value.inputs;
  if (starts?.kind !== "constant" || steps?.kind !== "constant" || Number(steps.data[0]) !== 1) return undefined;
  return Number(starts.data[0]);
}
