import { isOperation } from "../trace/emit/shape.ts";
import { liveValues, type OperationValue, sameShape, sizeOf, type Value } from "../trace/graph.ts";
import { countUses } from "../trace/rewrite.ts";
import { OVERWRITING, tensorsOf } from "./operations.ts";
import { type Call, partsOf, placesOf, timesOf, type Write } from "./places.ts";

export interface Step extends Call {
  /** For each operand, true if the step may overwrite it. */
  readonly overwrites: readonly boolean[];
  /** Results that replace parts of carried values at once. */
  readonly writes: readonly Write[];
  /** Values to free once the operation has run. */
  readonly done: readonly Value[];
}

/**
 * Puts the operations of a graph in order. `once` depends on constants and fixed inputs alone, or shows a carried
 * input, which changes in its place; its values that `each` reads, or that are results, stay. What `each` has not
 * written when it ends is in `late`.
 *
 * @param fixed names of inputs that never change @param carried names of inputs that outputs replace
 */
export function planOf(
  outputs: ReadonlyMap<string, Value>,
  { fixed, carried }: { readonly fixed: ReadonlySet<string>; readonly carried: readonly string[] },
) {
  const readBy = (values: readonly Value[]) =>
    new Set(values.flatMap((value) => value.kind === "operation" ? tensorsOf(value) : []));
  const writes = partsOf(outputs, carried, readBy(liveValues(outputs.values())));
  const returned = new Set([...outputs].flatMap(([name, value]) => carried.includes(name) ? [] : [value]));
  const wanted = new Set([...returned, ...writes.map(({ value }) => value)]);
  const live = liveValues(wanted);
  const read = new Set([...wanted, ...readBy(live)]);
  const places = placesOf(live);
  /** True if a value is a tensor of a carried input's own elements. */
  const isShown = (value: Value): boolean => {
    const { root, same } = places.get(value)!;
    if (value.kind === "operation" && value.op === "Transpose") return isShown(value.inputs[0]!);
    return same && root.kind === "input" && carried.includes(root.name);
  };
  const unchanging = new Set<Value>();
  const [first, rest]: [OperationValue[], OperationValue[]] = [[], []];
  const sources: Value[] = [];
  const results = new Map<Value, (Value | undefined)[]>();
  const biased = biasesOf(live, wanted);
  const products = new Set([...biased.values()].map(({ product }) => product));
  const operandsOf = (value: OperationValue): readonly Value[] => {
    const sum = biased.get(value);
    return sum === undefined ? tensorsOf(value) : [...sum.product.inputs, sum.bias];
  };
  for (const value of live) {
    if (value.kind !== "operation") {
      if (read.has(value)) sources.push(value);
      if (value.kind === "constant" || fixed.has(value.name)) unchanging.add(value);
      continue;
    }
    if (products.has(value)) continue;
    const [whole] = value.inputs;
    const known = value.op === "Part" ? unchanging.has(whole!) : operandsOf(value).every((one) => unchanging.has(one));
    if (known) unchanging.add(value);
    if (value.op === "Part") {
      results.get(whole!)![value.attributes["index"] as number] = value;
      continue;
    }
    results.set(value, [read.has(value) ? value : undefined]);
    (known || isShown(value) ? first : rest).push(value);
  }
  const callOf = (value: OperationValue): Call => {
    return {
      value,
      called: biased.get(value)?.product ?? value,
      results: results.get(value)!,
      operands: operandsOf(value),
    };
  };
  const [callsOnce, calls] = [first.map(callOf), rest.map(callOf)];
  const { early, late, mayOverwrite } = timesOf({ places, live, steps: calls, returned, writes });
  const kept = new Set([...wanted, ...calls.flatMap(({ operands }) => operands)]);
  const once = stepsOf(callsOnce, (value) => kept.has(value));
  const stay = new Set([...returned, ...late.map(({ value }) => value), ...unchanging, ...first]);
  const each = stepsOf(calls, (value) => stay.has(value), early).map((step, at): Step => {
    if (!OVERWRITING.has(step.called.op)) return step;
    return { ...step, overwrites: step.operands.map((operand, i) => mayOverwrite(operand, step.results[i], at)) };
  });
  return { sources, once, each, late };
}

function stepsOf(
  calls: readonly Call[],
  stays: (value: Value) => boolean,
  early?: ReadonlyMap<number, readonly Write[]>,
): Step[] {
  const last = new Map<Value, number>();
  calls.forEach(({ operands }, at) => {
    for (const value of [...operands, ...early?.get(at)?.map(({ value }) => value) ?? []]) {
      if (value.kind === "operation" && !stays(value)) last.set(value, at);
    }
  });
  const done = calls.map((): Value[] => []);
  for (const [value, at] of last) done[at]!.push(value);
  return calls.map((call, at) => ({ ...call, overwrites: [], writes: early?.get(at) ?? [], done: done[at]! }));
}

/** Finds the sums that add a bias to the channels of a product that nothing else reads: one kernel computes both. */
function biasesOf(live: readonly Value[], wanted: ReadonlySet<Value>) {
  const uses = countUses(wanted);
  const biased = new Map<Value, { readonly product: OperationValue; readonly bias: Value }>();
  for (const sum of live.filter((value) => isOperation(value, "Add"))) {
    for (const [product, bias] of [sum.inputs, sum.inputs.toReversed()] as [Value, Value][]) {
      const isProduct = product.kind === "operation" && ["forward", "Gemm"].includes(product.op);
      if (!isProduct || uses.get(product) !== 1 || biased.has(sum)) continue;
      const channels = sum.shape.at(-1)!;
      const perChannel = bias.shape.at(-1) === channels && sizeOf(bias.shape) === channels;
      if (perChannel && sameShape(product.shape, sum.shape)) biased.set(sum, { product, bias });
    }
  }
  return biased;
}
