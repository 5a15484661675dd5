import * as tf from "@tensorflow/tfjs-core";
import type { DType, PureFunction, Signature, TensorSpec } from "../device.ts";
import { callerOf, CompileError, withDeepStack } from "./failure.ts";
import type { Graph, InputValue, Value } from "./graph.ts";
import { Recording, withRecording } from "./recorder.ts";

export interface TracedFunction {
  readonly graph: Graph;
  readonly inputs: readonly InputValue[];
  readonly outputs: ReadonlyMap<string, Value>;
}

/**
 * Call `fn` once on tensors without data and return what it would compute. TF.js must be ready.
 * @throws CompileError with the label when the signature, the function or its result does not fit.
 */
export function trace(fn: PureFunction, inputs: Signature, label: string): TracedFunction {
  for (const [name, spec] of Object.entries(inputs)) checkSpec(name, spec, label);
  const recording = new Recording(label);
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
  if (outputs.size === 0) throw new CompileError(`Cannot compile "${label}": it returns no tensor. Fix: return one.`);
  return { graph: recording.graph, inputs: values, outputs };
}

function callTraced(fn: PureFunction, placeholders: Record<string, tf.Tensor>, label: string): Record<string, unknown> {
  try {
    const result: unknown = withDeepStack(() => fn(placeholders));
    if (result instanceof Promise) {
      // Its rejection is not news: the error below says what is wrong.
      result.catch(() => {});
      throw new CompileError(`Cannot compile "${label}": the function is asynchronous. Fix: make it synchronous.`);
    }
    return Object.fromEntries(Object.entries(result ?? {}));
  } catch (error) {
    if (error instanceof CompileError) throw error;
    const thrown = error instanceof Error ? error : new Error(String(error));
    const caller = callerOf(thrown);
    throw new CompileError(
      `Cannot compile "${label}": the function threw "${thrown.message}"${caller ? ` (at ${caller})` : ""}`,
      { cause: error },
    );
  }
}

function checkSpec(name: string, { shape, dtype }: TensorSpec, label: string): void {
  if (!shape.every((dimension) => Number.isSafeInteger(dimension) && dimension > 0)) {
    throw new CompileError(
      `Cannot compile "${label}": the shape of input "${name}" must hold positive integers: got [${shape.join(", ")}]`,
    );
  }
  if (dtype !== "float32" && dtype !== "int32") {
    throw new CompileError(`Cannot compile "${label}": input "${name}" must be float32 or int32: got ${dtype}`);
  }
}

function checkOutput(name: string, tensor: unknown, label: string): tf.Tensor {
  if (!(tensor instanceof tf.Tensor)) {
    const got = tensor instanceof Promise ? "a promise" : typeof tensor;
    throw new CompileError(
      `Cannot compile "${label}": output "${name}" is not a tensor: got ${got}. Fix: return { ${name}: tensor }.`,
    );
  }
  if (tensor.dtype !== "float32" && tensor.dtype !== "int32") {
    throw new CompileError(
      `Cannot compile "${label}": output "${name}" must be float32 or int32: got ${tensor.dtype}. Fix: cast it.`,
    );
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
