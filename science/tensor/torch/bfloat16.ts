import { liveValues, type OperationValue, type Value } from "../trace/graph.ts";
import { cast } from "../trace/emit/elementwise.ts";
import { rewriteEach } from "../trace/rewrite.ts";
import type { TracedFunction } from "../trace/trace.ts";

/** Operations that multiply, as PyTorch's autocast lists them; each sums in float32. */
const PRODUCTS = new Set(
  ["forward", "inputGradient", "filterGradient", "MatMul", "Gemm", "Attention", "AttentionGradient"],
);

/** True for logarithms of sums, which attention keeps for its gradient. */
const isSums = (value: Value) =>
  value.kind === "operation" && value.op === "Part" && (value.inputs[0] as OperationValue).op === "Attention";

/** The graph of a function, with the values that stand for others. */
type Rounded = Pick<TracedFunction, "outputs"> & { readonly origin: ReadonlyMap<Value, Value> };

/**
 * Rounds the operands and results of products to bfloat16. All else stays float32: sums, normalisation, the loss, the
 * optimizer and averages. A value that several products read is rounded once.
 *
 * @returns the outputs, and for each value that is new the one that it stands for
 */
export function inBfloat16({ graph, outputs }: TracedFunction): Rounded {
  const origin = new Map<Value, Value>();
  /** Values in bfloat16, by those that they are widened to or rounded from. */
  const narrow = new Map<Value, Value>();
  const rounded = (value: Value) =>
    isSums(value) ? value : narrow.getOrInsertComputed(value, () => cast(graph, value, "bfloat16"));
  const live = new Set(liveValues(outputs.values()));
  const note = (made: Value, value: Value) => void (live.has(made) || origin.getOrInsert(made, value));
  const rewritten = rewriteEach(graph, outputs, (value, current) => {
    if (value.kind !== "operation") return undefined;
    const { op, type, shape, attributes } = value;
    const inputs = value.inputs.map(current);
    // A part of a product's results is read from the product itself.
    const whole = op === "Part" ? narrow.get(inputs[0]!) : undefined;
    if (whole !== undefined) inputs[0] = whole;
    const multiplies = type === "float32" && (PRODUCTS.has(op) || whole !== undefined && !isSums(value));
    if (!multiplies && whole === undefined) return undefined;
    const operands = multiplies && whole === undefined ? inputs.map(rounded) : inputs;
    const made = graph.operation(op, operands, multiplies ? "bfloat16" : type, shape, attributes);
    for (const one of [...operands, made]) note(one, value);
    if (!multiplies) return made;
    const wide = cast(graph, made, "float32");
    narrow.set(wide, made);
    return wide;
  }, note);
  return { outputs: rewritten, origin };
}
