import * as tf from "@tensorflow/tfjs-core";
import { assert, assertEquals } from "@std/assert";
import "../../science/tensor/complete_tfjs.ts";
import type { Device, HostArray, HostTensors, PureFunction, Signature } from "../../science/tensor/device.ts";
import { randomStream } from "../../science/tensor/random/stream.ts";

// TF.js advises on standard error, once, to install its native addon; PROD silences advice and changes nothing else.
tf.env().set("PROD", true);

export interface Parity {
  readonly device: Device;
  /** Largest |difference| allowed, in units of the largest |value| of the tensor. */
  readonly tolerance: number;
}

/** Returns feeds for a signature: float32 uniform in [low, high), int32 in [0, bound). */
export function sampleFeeds(inputs: Signature, { low = -1, high = 1, bound = 5, seed = 1 } = {}): HostTensors {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, dtype }]): [string, HostArray] => {
      const stream = randomStream({ seed, stream: `test/${name}` });
      const count = shape.reduce((product, dimension) => product * dimension, 1);
      if (dtype === "int32") return [name, stream.integers(0, count, bound)];
      return [name, stream.uniform(0, count).map((u) => Math.fround(low + (high - low) * u))];
    }),
  );
}

/** Runs `fn` eagerly on TF.js's own `cpu` backend. */
export async function runEagerly(fn: PureFunction, inputs: Signature, feeds: HostTensors): Promise<HostTensors> {
  await tf.setBackend("cpu");
  return tf.tidy(() => {
    const tensors = Object.fromEntries(
      Object.entries(inputs).map(([name, { shape, dtype }]) => [name, tf.tensor(feeds[name]!, [...shape], dtype)]),
    );
    return Object.fromEntries(
      Object.entries(fn(tensors)).map(([name, tensor]): [string, HostArray] => {
        const data = tensor.dataSync<"float32" | "int32">();
        return [name, data instanceof Float32Array ? new Float32Array(data) : new Int32Array(data)];
      }),
    );
  });
}

/** Compiles `fn` on the device and compares every output with TF.js's `cpu` backend. */
export async function assertParity(
  fn: PureFunction,
  inputs: Signature,
  feeds: HostTensors,
  { device, tolerance }: Parity,
): Promise<void> {
  const wanted = await runEagerly(fn, inputs, feeds);
  const compiled = await device.compile(fn, inputs, { label: "parity" });
  const got = await compiled.run(feeds);
  await compiled.dispose();
  assertEquals(Object.keys(got).sort(), Object.keys(wanted).sort());
  for (const [name, array] of Object.entries(wanted)) assertCloseArrays(got[name]!, array, tolerance, name);
}

export function assertCloseArrays(got: HostArray, wanted: HostArray, tolerance: number, name = "array"): void {
  assertEquals(got.constructor, wanted.constructor, `${name}: type`);
  assertEquals(got.length, wanted.length, `${name}: length`);
  let size = 0;
  for (const value of wanted) size = Math.max(size, Math.abs(value));
  wanted.forEach((value, index) => {
    const difference = Math.abs(got[index]! - value);
    const equal = Object.is(got[index], value) || difference <= tolerance * size;
    assert(equal, `${name}[${index}]: got ${got[index]}, wanted ${value}, largest ${size}`);
  });
}

/**
 * Returns a function that computes `y` of `op` and the gradients of a fixed weighting of `y`, by TF.js's autodiff, for
 * each float32 input.
 */
export function withGradients(op: (inputs: Record<string, tf.Tensor>) => tf.Tensor): PureFunction {
  return (inputs) => {
    const differentiable = Object.keys(inputs).filter((name) => inputs[name]!.dtype === "float32");
    const gradients = tf.grads((...tensors: tf.Tensor[]) => {
      const all = { ...inputs };
      differentiable.forEach((name, i) => all[name] = tensors[i]!);
      const y = op(all);
      // Unequal weights, because the gradient of a plain sum hides transposed and shifted indices.
      const weights = tf.tensor(Float32Array.from({ length: y.size }, (_, i) => Math.cos(i + 1)), y.shape);
      return tf.sum(tf.mul(tf.cast(y, "float32"), weights));
    })(differentiable.map((name) => inputs[name]!));
    const y = op(inputs);
    return {
      y: y.dtype === "bool" ? tf.cast(y, "int32") : y,
      ...Object.fromEntries(differentiable.map((name, i) => [`d${name}`, gradients[i]!])),
    };
  };
}

export function float32(...shape: number[]): { shape: number[]; dtype: "float32" } {
  return { shape, dtype: "float32" };
}

export function int32(...shape: number[]): { shape: number[]; dtype: "int32" } {
  return { shape, dtype: "int32" };
}
