import { isOperation } from "../../trace/emit/shape.ts";
import { sameShape, type Value } from "../../trace/graph.ts";
import { usersOf } from "../../trace/rewrite.ts";
import type { View, ViewedGraph } from "./split_flat_vectors.ts";

/** Operations that read each element of an operand of the result's shape before they write that element. */
const ELEMENTWISE = new Set(["Add", "Sub", "Mul", "Div"]);

/**
 * Returns those of the `candidates` that may be overwritten, while the graph runs, by the output of the same name:
 * everything in them has been read when the output is written, because the output depends on all readers. This holds
 * for Adam's moments, and for the weights: every gradient is needed for the global norm before any weight changes.
 *
 * @param outputs the graph's outputs after all other passes
 */
export function overwritableInputs(
  viewed: ViewedGraph,
  outputs: ReadonlyMap<string, Value>,
  candidates: readonly string[],
): Set<string> {
  const users = usersOf(outputs);
  const copiedOut = new Set(outputs.values());
  const dependsOn = dependencyTest();
  return new Set(candidates.filter((name) => {
    const reads = viewed.inputs.flatMap((input) => {
      const place = placeOf(input.name, viewed.inputViews);
      return place.whole === name ? [{ place, aliases: aliasesOf(input, users) }] : [];
    });
    return [...outputs].every(([part, value]) => {
      const place = placeOf(part, viewed.outputViews);
      if (place.whole !== name) return true;
      if (value.kind !== "operation" || !ELEMENTWISE.has(value.op)) return false;
      return reads.filter((read) => overlap(read.place, place)).every(({ place: { start }, aliases }) =>
        aliases.every((alias) =>
          // An output that is the input itself is copied at an unknown time.
          !copiedOut.has(alias) &&
          // An operand of another shape, or at another place, would be read again after parts of the result are
          // written.
          (!value.inputs.includes(alias) || sameShape(alias.shape, value.shape) && start === place.start) &&
          dependsOn(value, (users.get(alias) ?? []).filter((user) => !isOperation(user, "Reshape")))
        )
      );
    });
  }));
}

/**
 * Returns a value and its reshaped versions: ONNX Runtime does not copy for a Reshape, so an operation that reads one
 * reads the other.
 */
function aliasesOf(value: Value, users: ReadonlyMap<Value, readonly Value[]>): Value[] {
  const reshaped = (users.get(value) ?? []).filter((user) => isOperation(user, "Reshape") && user.inputs[0] === value);
  return [value, ...reshaped.flatMap((user) => aliasesOf(user, users))];
}

function placeOf(name: string, views: ReadonlyMap<string, View>): View {
  return views.get(name) ?? { whole: name, start: 0, length: Infinity };
}

function overlap(a: View, b: View): boolean {
  return a.start < b.start + b.length && b.start < a.start + a.length;
}

/**
 * Returns a test if a value equals or depends on each of some others. One array of marks serves all tests, and a search
 * stops at values older than all the others: a value is always younger than its inputs.
 */
function dependencyTest() {
  const marks: number[] = [];
  let question = 0;
  return (value: Value, wanted: readonly Value[]): boolean => {
    question++;
    const missing = new Set(wanted);
    const oldest = Math.min(...wanted.map((each) => each.id));
    const pending = [value];
    while (missing.size > 0) {
      const next = pending.pop();
      if (next === undefined) return false;
      if (next.id < oldest || marks[next.id] === question) continue;
      marks[next.id] = question;
      missing.delete(next);
      if (next.kind === "operation") pending.push(...next.inputs);
    }
    return true;
  };
}
