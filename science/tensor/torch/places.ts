import { type OperationValue, sizeOf, type Value } from "../trace/graph.ts";
import { numbersOf } from "./operations.ts";

/** One operation of a program. */
export interface Call {
  readonly value: OperationValue;
  /** The operation to call: itself, or the product that it adds a bias to. */
  readonly called: OperationValue;
  /** Its results: itself and its parts; undefined where nothing reads one. */
  readonly results: readonly (Value | undefined)[];
  readonly operands: readonly Value[];
}

/** Elements of a value that another one may be a view of. */
interface Place {
  readonly root: Value;
  readonly start: number;
  readonly end: number;
  /** True if the value is these elements in their order. */
  readonly same: boolean;
}

/** A result that replaces a part of a carried value. */
export interface Write {
  readonly value: Value;
  readonly name: string;
  readonly start: number;
}

/** Operations that may return views of their first operand. */
const MOVES = new Set(["Reshape", "Transpose", "Expand", "Slice", "Gather", "Cast", "FilterOrder"]);

/** Finds what each value may be a view of. Parts of vectors are told apart. */
export function placesOf(live: readonly Value[]): ReadonlyMap<Value, Place> {
  const places = new Map<Value, Place>();
  for (const value of live) {
    const whole = { root: value, start: 0, end: sizeOf(value.shape), same: true };
    const moved = value.kind === "operation" && MOVES.has(value.op) ? value : undefined;
    places.set(value, moved === undefined ? whole : partOf(moved, places.get(moved.inputs[0]!)!));
  }
  return places;
}

function partOf(value: OperationValue, place: Place): Place {
  const [x] = value.inputs;
  const isVector = place.same && value.op === "Slice" && x!.shape.length === 1 &&
    x!.shape[0] === place.end - place.start;
  if (!isVector || numbersOf(value, 4)[0] !== 1) return { ...place, same: place.same && value.op === "Reshape" };
  const start = place.start + numbersOf(value, 1)[0]!;
  return { ...place, start, end: start + value.shape[0]! };
}

/**
 * Returns, for each carried output, the parts that it is joined from if nothing else reads it: then the parts are
 * written one by one, and it is never made.
 */
export function partsOf(
  outputs: ReadonlyMap<string, Value>,
  carried: readonly string[],
  read: ReadonlySet<Value>,
): readonly Write[] {
  const uses = (value: Value) => [...outputs.values()].filter((one) => one === value).length;
  return carried.flatMap((name) => {
    const value = outputs.get(name)!;
    const isJoined = value.kind === "operation" && value.op === "Concat" && value.shape.length === 1;
    if (!isJoined || read.has(value) || uses(value) > 1) return [{ value, name, start: 0 }];
    let start = 0;
    return value.inputs.map((part) => {
      start += part.shape[0]!;
      return { value: part, name, start: start - part.shape[0]! };
    });
  });
}

/**
 * Finds which results may be written where they belong as soon as they are there, because no later step reads what they
 * replace, and which operands a step may overwrite.
 *
 * @param returned outputs that are not carried
 */
export function timesOf(
  { places, live, steps, returned, writes }: {
    readonly places: ReturnType<typeof placesOf>;
    readonly live: readonly Value[];
    readonly steps: readonly Call[];
    readonly returned: ReadonlySet<Value>;
    readonly writes: readonly Write[];
  },
) {
  const inputs = new Map(live.flatMap((value) => value.kind === "input" ? [[value.name, value] as const] : []));
  const reads = new Map<Value, { readonly at: number; readonly place: Place }[]>();
  const read = (value: Value, at: number) => {
    const place = places.get(value)!;
    reads.getOrInsertComputed(place.root, () => []).push({ at, place });
  };
  /** The number of reads of a place at or after a step. */
  const readsFrom = ({ root, start, end }: Place, at: number) =>
    reads.get(root)?.filter((one) => one.at >= at && one.place.start < end && one.place.end > start).length ?? 0;
  const madeAt = new Map<Value, number>();
  steps.forEach(({ value, operands, results }, at) => {
    // A view reads what it shows.
    operands.forEach((operand) => read(MOVES.has(value.op) ? value : operand, at));
    results.forEach((result) => result !== undefined && madeAt.set(result, at));
  });
  for (const value of returned) read(value, Infinity);
  const changed = writes.filter(({ value, name, start }) => {
    const { root, start: from, same } = places.get(value)!;
    return root !== inputs.get(name) || start !== from || !same;
  });
  // No step may overwrite what is written, even if that is done before.
  for (const { value } of changed) read(value, Infinity);
  const replaced = ({ value, name, start }: Write): Place => {
    const root = inputs.get(name);
    return { root: root ?? value, start, end: start + sizeOf(value.shape), same: true };
  };
  const early = new Map<number, Write[]>();
  const late: Write[] = [];
  for (const write of changed) {
    const at = places.get(write.value)!.root.kind === "input" ? undefined : madeAt.get(write.value);
    if (at === undefined || readsFrom(replaced(write), at + 1) > 0) late.push(write);
    else early.getOrInsertComputed(at, () => []).push(write);
  }
  /** True if a step may overwrite an operand, which its result replaces. */
  const mayOverwrite = (operand: Value, result: Value | undefined, at: number) => {
    const place = places.get(operand)!;
    if (readsFrom(place, at) > 1) return false;
    if (place.root.kind === "operation") return madeAt.has(place.root);
    return early.get(at)?.some((write) => {
      const target = replaced(write);
      return write.value === result && target.root === place.root && target.start === place.start;
    }) === true;
  };
  return { early, late, mayOverwrite };
}
