import * as tf from "@tensorflow/tfjs-core";
import type { DType, PureFunction, Signature, TensorSpec } from "../device.ts";
import { callerOf, cannotCompile, CompileError, withDeepStack } from "./failure.ts";
import type { Value } from "./graph.ts";
import { Recording, withRecording } from "./recorder.ts";

/** What a function would compute, from which inputs. */
export type TracedFunction = Readonly<ReturnType<typeof record>>;

/** Lines that a message lists at most. */
const SHOWN_PLACES = 5;

/**
 * Call `fn` once on tensors without data and return what it would compute. TF.js must be ready.
 * @param backend of TF.js that will run the function, if one will
 * @throws CompileError with the label when the signature, the function or its result does not fit, or the backend lacks
 *   a kernel. Where a gradient fails, the message also says where the function calls what it is the gradient of.
 */
export function trace(fn: PureFunction, inputs: Signature, label: string, backend?: string): TracedFunction {
  for (const [name, spec] of Object.entries(inputs)) checkSpec(name, spec, label);
  try {
    return record(fn, inputs, new Recording(label, backend));
  } catch (error) {
    const watch = gradientThatFailed(error);
    if (watch === undefined) throw error;
    // TF.js goes backwards when the function has long returned, so only a second look tells who called the op.
    const again = new Recording(label, backend, watch);
    try {
      record(fn, inputs, again);
    } catch {
      // As it did before.
    }
    const places = [...again.calledAt].slice(0, SHOWN_PLACES).join(" or ");
    const message = (error as CompileError).message.replace(/\.?$/, ".");
    const where = `This is in the gradient of TF.js op "${watch}", called at ${places}.`;
    throw new CompileError(`${message} ${where}`, { cause: error });
  }
}

/** Where a function computes a value of its trace, which is the same each time. */
export function placeOf({ id }: Value, fn: PureFunction, inputs: Signature): string {
  const again = new Recording("place", undefined, id);
  record(fn, inputs, again);
  return [...again.calledAt].join();
}

/** The kernel whose gradient was at work when an error was thrown, if one was. */
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
      // Its rejection is not news: the error below says what is wrong.
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

/** Shape and type of a value that a caller hands over or gets, which `trace` has made sure that it can. */
export function specOf({ shape, type }: Value): TensorSpec {
  return { shape, dtype: type as DType };
}

export function signatureOf(values: Iterable<readonly [string, Value]>): Signature {
  return Object.fromEntries([...values].map(([name, value]) => [name, specOf(value)]));
}
