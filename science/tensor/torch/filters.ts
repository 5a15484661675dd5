import { liveValues, type OperationValue, sameShape, type Shape, sizeOf, type Value } from "../trace/graph.ts";
import { isOperation, reshape, transpose } from "../trace/emit/shape.ts";
import { type Current, rewriteEach, usersOf } from "../trace/rewrite.ts";
import type { TracedFunction } from "../trace/trace.ts";
import { numbersOf } from "./operations.ts";

/** A filter [kH, kW, C, O] that carried vectors hold, each at the same place: weights, moments, averages. */
export interface HeldFilter {
  readonly names: readonly string[];
  readonly start: number;
  readonly shape: Shape;
}

/**
 * Finds the filters that carried vectors may hold as [O, kH, kW, C], the order of convolutions: those that convolutions
 * alone read, and that an update replaces element by element, by a gradient of which only squares are summed besides.
 */
function heldFilters(outputs: TracedFunction["outputs"], carried: readonly string[]) {
  const readers = usersOf(outputs);
  const returned = new Set(outputs.values());
  /** True if every operation that reads a value fits, and the caller does not. */
  const isReadBy = (value: Value, fits: (reader: OperationValue) => boolean) =>
    !returned.has(value) && (readers.get(value) ?? []).every(fits);
  /** True if nothing but one sum comes of a value. */
  const isSummed = (value: OperationValue): boolean =>
    value.op === "ReduceSum" && sizeOf(value.shape) === 1 ||
    ["ReduceSum", "Reshape"].includes(value.op) && isReadBy(value, isSummed);
  const isSquare = ({ op, inputs: [a, b] }: OperationValue) => op === "Mul" && a === b;
  const placeOf = (value: Value) => {
    const [whole] = value.kind === "operation" && value.op === "Slice" ? value.inputs : [];
    if (whole?.kind !== "input" || !carried.includes(whole.name) || whole.shape.length !== 1) return undefined;
    return { whole, start: numbersOf(value as OperationValue, 1)[0]!, count: value.shape[0]! };
  };
  /** True if a value is what replaces a part of a carried vector, and nothing else. */
  const replaces = (value: Value | undefined, name: string, start: number, others: readonly Value[]) => {
    const joined = outputs.get(name)!;
    if (value === undefined || joined.kind !== "operation" || joined.op !== "Concat") return false;
    const at = joined.inputs.indexOf(value);
    const before = joined.inputs.slice(0, at).reduce((sum, { shape }) => sum + shape[0]!, 0);
    return at >= 0 && before === start && joined.inputs.lastIndexOf(value) === at &&
      isReadBy(value, (reader) => reader === joined || others.includes(reader));
  };
  return liveValues(outputs.values()).flatMap((adam) => {
    if (!isOperation(adam, "Adam")) return [];
    const flat = adam.inputs[3]!;
    const gradient = isOperation(flat, "Reshape") ? flat.inputs[0]! : undefined;
    if (gradient?.shape.length !== 4) return [];
    const { shape } = gradient;
    const after = readers.get(adam) ?? [];
    const averages = after.filter(({ op, inputs }) => op === "Average" && inputs[1] === adam);
    const moments = [1, 2].map((index) => after.find((one) => one.op === "Part" && one.attributes["index"] === index));
    const parts = [...adam.inputs.slice(0, 3), ...averages.map(({ inputs }) => inputs[0]!)];
    const places = parts.map(placeOf);
    const [start, count] = [places[0]?.start ?? NaN, sizeOf(shape)];
    const results = [adam, ...moments, ...averages];
    const orders = (readers.get(parts[0]!) ?? []).filter((one) => one.op === "Reshape" && sameShape(one.shape, shape))
      .flatMap((filter) => readers.get(filter) ?? []);
    const fits = places.every((place, i) =>
      place?.start === start && place.count === count &&
      replaces(results[i], place.whole.name, start, i === 0 ? [...averages, ...moments] as Value[] : []) &&
      isReadBy(parts[i]!, (one) =>
        one === adam || averages.includes(one) || i === 0 && one.op === "Reshape" && sameShape(one.shape, shape) &&
          isReadBy(one, ({ op }) =>
            op === "FilterOrder")) &&
      // No other part of the vector has elements of this one.
      isReadBy(place.whole, (one) => {
        const other = placeOf(one);
        return one === parts[i] ||
          other !== undefined && (other.start >= start + count || other.start + other.count <= start);
      })
    ) && isReadBy(flat, (one) => one === adam || isSquare(one) && isReadBy(one, isSummed));
    const names = places.map((place) => place?.whole.name ?? "");
    return fits ? [{ start, shape, names, vector: parts[0]!, flat, orders }] : [];
  });
}

/**
 * Rewrites a graph for filters that carried vectors hold as [O, kH, kW, C], so that no step has to put them in order.
 *
 * @returns the outputs, the filters, and for each value that is new the one that it stands for
 */
export function withHeldFilters({ graph, outputs }: TracedFunction, carried: readonly string[]) {
  const filters = heldFilters(outputs, carried);
  const origin = new Map<Value, Value>();
  const special = new Map<Value, (current: Current) => Value>();
  for (const { shape, vector, flat, orders } of filters) {
    const turned = [shape[3]!, ...shape.slice(0, 3)];
    const gradient = (flat as OperationValue).inputs[0]!;
    const inOrder = (current: Current) => transpose(graph, current(gradient), [3, 0, 1, 2]);
    special.set(flat, (current) => reshape(graph, inOrder(current), [sizeOf(shape)]));
    const whole = () => transpose(graph, reshape(graph, vector, turned), [1, 2, 3, 0]);
    orders.forEach((order) => special.set(order, whole));
  }
  const note = (made: Value, value: Value) => {
    for (const one of [made, ...(made as OperationValue).inputs]) {
      if (one.id > value.id && !origin.has(one)) origin.set(one, value);
    }
  };
  const rewritten = rewriteEach(graph, outputs, (value, current) => special.get(value)?.(current), note);
  return { filters: filters as readonly HeldFilter[], origin, outputs: rewritten };
}
