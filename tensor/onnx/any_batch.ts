import { isConvolution } from "../trace/translations/conv.ts";
import type { HostTensors } from "../device.ts";
import { cast } from "../trace/emit/elementwise.ts";
import { type ConstantValue, Graph, type InputValue, sameShape, type Value } from "../trace/graph.ts";

/** Batches whose graphs are compared: any three that are no multiples of each other, and not 1, which broadcasts. */
export const COMPARED_BATCHES = [2, 3, 5] as const;

/** One value in the graph of each compared batch. */
type Same<V extends Value = Value> = readonly [V, V, V];

type Outputs = ReadonlyMap<string, Value>;

/** Thrown for a value, of the first graph, that depends on the batch in a way that the merged graph cannot have. */
export class BatchDependence extends Error {
  constructor(readonly value: Value) {
    super("it depends on the number of images in a way that no graph for all numbers has");
  }
}

/**
 * Merges the graphs of one function for the compared batches into one graph for batches of any size: it computes the
 * lengths that differ from the length of an input's first axis.
 *
 * @param given the inputs whose first axis is the batch, of the first graph
 * @param held values of the other inputs, which become constants
 * @returns the inputs, the constants of held ones, and the outputs; shapes of values are those of the first graph
 * @throws BatchDependence
 */
export function forAnyBatch(
  graphs: readonly [Outputs, Outputs, Outputs],
  given: readonly InputValue[],
  held: HostTensors = {},
) {
  const graph = new Graph();
  const merged = new Map<string, Value>();
  const inputs = new Map<string, InputValue>();
  const constants = new Map<Value, string>();
  const merge = (same: Same): Value => merged.getOrInsertComputed(same.map(({ id }) => id).join(), () => make(same));
  const inputOf = ({ name, type, shape }: InputValue): Value => {
    const data = held[name];
    if (data === undefined) return inputs.getOrInsertComputed(name, () => graph.input(name, type, shape));
    const constant = graph.constant(type, shape, data);
    constants.set(constant, name);
    return constant;
  };
  const batch = () => graph.operation("Shape", [inputOf(given[0]!)], "int64", [1], { start: 0, end: 1 });

  /** Integers of which each grows by as much for each image. */
  const linear = (value: Value, rows: readonly (readonly number[])[]): Value => {
    const [two, three, five] = rows as [readonly number[], readonly number[], readonly number[]];
    const slopes = three.map((length, i) => length - two[i]!);
    const base = two.map((length, i) => length - COMPARED_BATCHES[0] * slopes[i]!);
    if (base.some((length, i) => length + COMPARED_BATCHES[2] * slopes[i]! !== five[i])) {
      throw new BatchDependence(value);
    }
    const [factor, sum] = [slopes, base].map((numbers) =>
      graph.constant("int64", [numbers.length], BigInt64Array.from(numbers, BigInt))
    ) as [Value, Value];
    const product = graph.operation("Mul", [factor, batch()], "int64", factor.shape);
    return graph.operation("Add", [product, sum], "int64", factor.shape);
  };

  const constant = (same: Same<ConstantValue>): Value => {
    const [{ type, shape, data }] = same;
    const sameShapes = same.every((one) => sameShape(one.shape, shape));
    const sameData = same.every((one) => one.data.length === data.length && one.data.every((x, i) => x === data[i]));
    if (sameShapes && sameData) return graph.constant(type, shape, data);
    if (sameData && data.length === 1) {
      const lengths = linear(same[0], same.map((one) => one.shape));
      return graph.operation("Expand", [graph.constant(type, [], data), lengths], type, shape);
    }
    if (!sameShapes || shape.length !== 1 || type !== "int64" && type !== "int32") throw new BatchDependence(same[0]);
    return cast(graph, linear(same[0], same.map(numbersOf)), type);
  };

  const make = (same: Same): Value => {
    const [value] = same;
    if (value.kind === "input") return inputOf(value);
    if (value.kind === "constant") return constant(same as Same<ConstantValue>);
    const { op, type, shape, attributes } = value;
    const isSame = same.every((one) =>
      one.kind === "operation" && one.op === op && one.inputs.length === value.inputs.length &&
      (isConvolution(one) || JSON.stringify(one.attributes) === JSON.stringify(attributes))
    );
    if (!isSame) throw new BatchDependence(value);
    const operands = value.inputs.map((input, i) =>
      merge([input, ...same.slice(1).map((one) => (one as typeof value).inputs[i]!)] as unknown as Same)
    );
    return graph.operation(op, operands, type, shape, attributes);
  };

  given.forEach(inputOf);
  const outputs = new Map([...graphs[0].keys()].map((name) => {
    return [name, merge(graphs.map((one) => one.get(name)!) as unknown as Same)] as const;
  }));
  return { inputs: [...inputs.values()], constants, outputs };
}

/** Returns the elements of a vector, of which a constant may hold one for all. */
function numbersOf({ data, shape: [length] }: ConstantValue): number[] {
  return Array.from({ length: length! }, (_, i) => Number(data[data.length === 1 ? 0 : i]));
}
