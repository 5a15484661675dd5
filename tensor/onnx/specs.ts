import type { Signature, TensorSpec } from "../device.ts";
import type { InputValue, Value } from "../trace/graph.ts";

/** Shape and type of a value that a caller hands over or gets. @throws Error for an element type that none can */
export function specOf({ shape, type }: Value): TensorSpec {
  if (type !== "float32" && type !== "int32") throw new Error(`Cannot happen: an input or output is ${type}.`);
  return { shape, dtype: type };
}

export function signatureOf(values: Iterable<readonly [string, Value]>): Signature {
  return Object.fromEntries([...values].map(([name, value]) => [name, specOf(value)]));
}

export function inputSignature(inputs: readonly InputValue[]): Signature {
  return signatureOf(inputs.map((input) => [input.name, input]));
}
