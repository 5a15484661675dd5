import { isConvolution } from "../trace/translations/conv.ts";
import type { HostTensors } from "../device.ts";
import { cast } from "../trace/emit/elementwise.ts";
import { reshape } from "../trace/emit/shape.ts";
import { type ConstantValue, Graph, type InputValue, sameShape, type Value } from "../trace/graph.ts";

/** A length of the given inputs that the merged graph leaves free. */
export interface FreeLength {
  /** Its name in the model. */
  readonly name: string;
  /** Its axis, in every input that is not held. */
  readonly axis: number;
  /** The length is a multiple of this. Default: 1. */
  readonly step?: number;
}

/** Multiples of a step whose graphs are compared: no multiples of each other, and not 1, which broadcasts. */
const [LOW, HIGH, FURTHER] = [2, 3, 5] as const;

/** Returns the lengths, in steps, of the graphs to compare: all pairs of low and high ones, and further ones. */
export function comparedLengths({ length: axes }: readonly FreeLength[]): number[][] {
  const corner = (bits: number) => Array.from({ length: axes }, (_, k) => (bits >> k & 1) === 0 ? LOW : HIGH);
  return [...Array.from({ length: 2 ** axes }, (_, bits) => corner(bits)), new Array<number>(axes).fill(FURTHER)];
}

/** One value in each of the compared graphs. */
type Same<V extends Value = Value> = readonly V[];

type Outputs = ReadonlyMap<string, Value>;

/** Thrown for a value, of the first graph, that depends on free lengths in a way that the merged graph cannot have. */
export class LengthDependence extends Error {
  constructor(readonly value: Value, free: readonly FreeLength[]) {
    const what = free.length === 1 ? "the number of images" : "the number or the size of images";
    super(`it depends on ${what} in a way that no graph for all of them has`);
  }
}

/**
 * Merges the graphs of one function for the compared lengths into one graph for any: it computes the lengths that are
 * sums of products of free ones, such as those of flattened images, from those of an input.
 *
 * @param graphs those of `comparedLengths`
 * @param given the inputs with the free lengths, of the first graph
 * @param held values of the other inputs, which become constants
 * @returns the inputs, the constants of held ones, and the outputs; shapes of values are those of the first graph
 * @throws LengthDependence
 */
export function forAnyLength(
  graphs: readonly Outputs[],
  free: readonly FreeLength[],
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
  const stepsOf = ({ axis, step = 1 }: FreeLength) => {
    const length = graph.operation("Shape", [inputOf(given[0]!)], "int64", [1], { start: axis, end: axis + 1 });
    const divisor = () => graph.constant("int64", [1], BigInt64Array.of(BigInt(step)));
    return step === 1 ? length : graph.operation("Div", [length, divisor()], "int64", [1]);
  };

  /** Integers that are the same sums of products of free lengths in all graphs; factor `bits` is of those in `bits`. */
  const lengths = (value: Value, rows: readonly (readonly number[])[]): Value => {
    const factors = rows.slice(0, -1).map((row) => [...row]);
    // From values at low and high lengths, one apart, to slopes and values at 0: one axis after the other.
    free.forEach((_, k) =>
      factors.forEach((row, bits) => {
        const lower = factors[bits ^ 1 << k]!;
        if (bits >> k & 1) row.forEach((high, i) => lower[i]! -= LOW * (row[i] = high - lower[i]!));
      })
    );
    const used = factors.map((_, bits) => free.filter((_, k) => bits >> k & 1));
    rows.at(-1)!.forEach((wanted, i) => {
      const found = factors.reduce((sum, row, bits) => sum + row[i]! * FURTHER ** used[bits]!.length, 0);
      if (found !== wanted) throw new LengthDependence(value, free);
    });
    const [sum, ...terms] = factors.flatMap((row, bits) => {
      if (bits > 0 && row.every((factor) => factor === 0)) return [];
      const factor: Value = graph.constant("int64", [row.length], BigInt64Array.from(row, BigInt));
      const times = (product: Value, one: FreeLength) =>
        graph.operation("Mul", [product, stepsOf(one)], "int64", factor.shape);
      return [used[bits]!.reduce(times, factor)];
    });
    const add = (sum: Value, term: Value): Value => graph.operation("Add", [term, sum], "int64", sum.shape);
    return terms.reduce(add, sum!);
  };

  const constant = (same: Same<ConstantValue>): Value => {
    const { type, shape, data } = same[0]!;
    const sameShapes = same.every((one) => sameShape(one.shape, shape));
    const sameData = same.every((one) => one.data.length === data.length && one.data.every((x, i) => x === data[i]));
    if (sameShapes && sameData) return graph.constant(type, shape, data);
    if (sameData && data.length === 1) {
      const shapes = lengths(same[0]!, same.map((one) => one.shape));
      return graph.operation("Expand", [graph.constant(type, [], data), shapes], type, shape);
    }
    const rows = same.map(numbersOf);
    // The divisor of a mean over places is a float. One over images would make an image depend on the others.
    const isOfBatch = type === "float32" && same.some((one, bits) => one.data[0] !== same[bits & ~1]!.data[0]);
    if (!sameShapes || shape.length > 1 || isOfBatch || !rows.flat().every(Number.isInteger)) {
      throw new LengthDependence(same[0]!, free);
    }
    return reshape(graph, cast(graph, lengths(same[0]!, rows), type), shape);
  };

  const make = (same: Same): Value => {
    const value = same[0]!;
    if (value.kind === "input") return inputOf(value);
    if (value.kind === "constant") return constant(same as Same<ConstantValue>);
    const { op, type, shape, attributes } = value;
    const isSame = same.every((one) =>
      one.kind === "operation" && one.op === op && one.inputs.length === value.inputs.length &&
      (isConvolution(one) || JSON.stringify(one.attributes) === JSON.stringify(attributes))
    );
    if (!isSame) throw new LengthDependence(value, free);
    const operands = value.inputs.map((input, i) =>
      merge([input, ...same.slice(1).map((one) => (one as typeof value).inputs[i]!)])
    );
    return graph.operation(op, operands, type, shape, attributes);
  };

  given.forEach(inputOf);
  const outputs = new Map([...graphs[0]!.keys()].map((name) => {
    return [name, merge(graphs.map((one) => one.get(name)!))] as const;
  }));
  return { inputs: [...inputs.values()], constants, outputs };
}

/** Returns the elements of a vector, or a number, of which a constant may hold one for all. */
function numbersOf({ data, shape: [length = 1] }: ConstantValue): number[] {
  return Array.from({ length }, (_, i) => Number(data[data.length === 1 ? 0 : i]));
}
