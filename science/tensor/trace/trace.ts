import * as tf from "@tensorflow/tfjs-core";
import type { DType, PureFunction, Signature, TensorSpec } from "../device.ts";
import { callerOf, cannotCompile, CompileError, withDeepStack } from "./failure.ts";
import type { Value } from "./graph.ts";
import { type Engine, Recording, withRecording } from "./recorder.ts";

/** The graph that a function would compute, with its inputs and outputs. */
export type TracedFunction = Readonly<ReturnType<typeof record>>;

/** Maximum number of places in a message. */
const SHOWN_PLACES = 5;

/**
 * Calls `fn` once on tensors without data and returns the graph that it would compute. TF.js must be ready.
 * @throws CompileError with the label when the signature, the function or its result does not fit, or the backend lacks
 * a kernel. If a gradient fails, the message also says where the function calls the op whose gradient it is.
 */
export function trace(fn: PureFunction, inputs: Signature, label: string, engine?: Engine): TracedFunction {
  for (const [name, spec] of Object.entries(inputs)) checkSpec(name, spec, label);
  try {
    return record(fn, inputs, new Recording(label, engine));
  } catch (error) {
    const watch = gradientThatFailed(error);
    if (watch === undefined) throw error;
    // TF.js computes gradients after the function has returned, so only a second trace can find where the op was
    // called.
    const again = new Recording(label, engine, watch);
    try {
      record(fn, inputs, again);
    } catch {
      // Fails as it did before.
    }
    const places = [...again.callSites].slice(0, SHOWN_PLACES).join(" or ");
    const message = (error as CompileError).message.replace(/\.?$/, ".");
    const where = `This is in the gradient of TF.js op "${watch}", called at ${places}.`;
    throw new CompileError(`${message} ${where}`, { cause: error });
  }
}

/** Returns where a function computes a value of its trace, which is the same each time. */
export function placeOf({ id }: Value, fn: PureFunction, inputs: Signature, engine?: Engine): string {
  const again = new Recording("place", engine, id);
  record(fn, inputs, again);
  return [...again.callSites].join();
}

/** Returns the kernel whose gradient was being computed when an error was thrown, if any. */
function gradientThatFailed(error: unknown): string | undefined {
  if (!(error instanceof CompileError)) return undefined;
  const missing = /gradient function not found for (\w+)/.exec(error.message)?.[1];
  const stack = `${error.stack}${error.cause instanceof Error ? error.cause.stack : ""}`;
  return missing ?? /\/gradients\/(\w+)_grad\.js/.exec(stack)?.[1];
}

function record(fn: PureFunction, inputs: Signature, recording: Recording) {
  const { label } = recording;
  const values = Object.entries(inputs).map(([name, { shape, dtype }]) => recording.graph.input(name, dtype, shape));
  const outputs = withRecording(recording, () => {
    const found = new Map<string, Value>();
    tf.tidy(() => {
      const placeholders = Object.fromEntries(values.map((value) => [value.name, recording.tensorOf(value)]));
      const result = callTraced(fn, placeholders, label);
      for (const [name, tensor] of Object.entries(result)) {
        found.set(name, recording.valueOf(checkOutput(name, tensor, label)));
      }
    });
    if (recording.failure !== undefined) throw recording.failure;
    return found;
  });
  if (outputs.size === 0) throw cannotCompile(label, "it returns no tensor. Fix: return one.");
  return { graph: recording.graph, inputs: values, outputs };
}

function callTraced(fn: PureFunction, placeholders: Record<string, tf.Tensor>, label: string): Record<string, unknown> {
  try {
    const result: unknown = withDeepStack(() => fn(placeholders));
    if (result instanceof Promise) {
      // The rejection is ignored: the error below says what is wrong.
      result.catch(() => {});
      throw cannotCompile(label, "the function is asynchronous. Fix: make it synchronous.");
    }
    return Object.fromEntries(Object.entries(result ?? {}));
  } catch (error) {
    if (error instanceof CompileError) throw error;
    const thrown = error instanceof Error ? error : new Error(String(error));
    const caller = callerOf(thrown);
    throw cannotCompile(label, `the function threw "${thrown.message}"${caller ? ` (at ${caller})` : ""}`, error);
  }
}

function checkSpec(name: string, { shape, dtype }: TensorSpec, label: string): void {
  if (!shape.every((dimension) => Number.isSafeInteger(dimension) && dimension > 0)) {
    const got = `[${shape.join(", ")}]`;
    throw cannotCompile(label, `the shape of input "${name}" must hold positive integers: got ${got}`);
  }
  if (dtype !== "float32" && dtype !== "int32") {
    throw cannotCompile(label, `input "${name}" must be float32 or int32: got ${dtype}`);
  }
}

function checkOutput(name: string, tensor: unknown, label: string): tf.Tensor {
  if (!(tensor instanceof tf.Tensor)) {
    const got = tensor instanceof Promise ? "a promise" : typeof tensor;
    throw cannotCompile(label, `output "${name}" is not a tensor: got ${got}. Fix: return { ${name}: tensor }.`);
  }
  if (tensor.dtype !== "float32" && tensor.dtype !== "int32") {
    throw cannotCompile(label, `output "${name}" must be float32 or int32: got ${tensor.dtype}. Fix: cast it.`);
  }
  return tensor;
}

/** Returns shape and type of a value that a caller passes or gets. `trace` has checked that the type is allowed. */
export function specOf({ shape, type }: Value): TensorSpec {
  return { shape, dtype: type as DType };
}

export function signatureOf(values: Iterable<readonly [string, Value]>): Signature {
  return Object.fromEntries([...values].map(([name, value]) => [name, specOf(value)]));
}
