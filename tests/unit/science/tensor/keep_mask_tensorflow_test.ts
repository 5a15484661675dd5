import { assert, assertEquals } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import {
  KEEP_MASK,
  keepMask,
  type KeepMaskOptions,
  registerHostKeepMask,
} from "../../../../science/tensor/random/keep_mask.ts";
import { registerTensorflowKeepMask } from "../../../../science/tensor/random/kernels/tensorflow.ts";
import { openTensorflowDevice } from "../../../../science/tensor/tensorflow/device.ts";
import { findInstallation } from "../../../../science/tensor/tensorflow/installation.ts";
import { TENSORFLOW_BACKEND } from "../../../../science/tensor/tensorflow/load.ts";
import { skipTestsUnless } from "../../../support/proc.ts";
import { int32 } from "../../../support/tensors.ts";

const absent = skipTestsUnless(
  findInstallation(false) !== undefined,
  "keepMask() on TensorFlow, which is not set up (deno task setup:tensorflow)",
);

const KEY = Int32Array.of(123456789, -(2 ** 31));
const OPTIONS: KeepMaskOptions = { site: 5, rate: 0.3 };

function maskOn(backend: string, shape: number[], key = KEY, options = OPTIONS): Float32Array {
  tf.setBackend(backend);
  const mask = tf.tidy(() => Float32Array.from(keepMask(tf.tensor1d(key, "int32"), shape, options).dataSync()));
  // Other tests of this process compute on the backend that they chose when they were loaded.
  tf.setBackend("cpu");
  return mask;
}

Deno.test({
  name: "keepMask() has the same bits on device tensorflow as on the host",
  ignore: absent,
  async fn() {
    registerHostKeepMask("cpu");
    const device = await openTensorflowDevice({ gpu: false, threads: 2 });
    const compiled = await device.compile(({ key }) => ({ mask: keepMask(key!, [3, 5, 7], OPTIONS) }), {
      key: int32(2),
    });
    const { mask } = await compiled.run({ key: KEY });
    await device.dispose();
    assertEquals<unknown>(mask, maskOn("cpu", [3, 5, 7]));
  },
});

Deno.test({
  name: "the mask of TensorFlow's own generator is a pure function with the mean and share of dropout",
  ignore: absent,
  async fn() {
    // This registers the GPU device's kernel; the operation is the same on the CPU.
    const device = await openTensorflowDevice({ gpu: false, threads: 2 });
    tf.unregisterKernel(KEEP_MASK, TENSORFLOW_BACKEND);
    registerTensorflowKeepMask(TENSORFLOW_BACKEND);
    const shape = [8, 2 ** 14];
    const draw = (key = KEY, options = OPTIONS) => maskOn(TENSORFLOW_BACKEND, shape, key, options);
    const before = tf.memory().numTensors;
    const mask = draw();
    assertEquals(draw(), mask);
    assertEquals(tf.memory().numTensors, before);

    const zeros = (values: Float32Array) => values.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);
    const both = (a: Float32Array, b: Float32Array) =>
      a.reduce((count, value, i) => count + (value === 0 && b[i] === 0 ? 1 : 0), 0);
    const band = (probability: number) => 4.5 * Math.sqrt(mask.length * probability * (1 - probability));
    assert(Math.abs(zeros(mask) - 0.3 * mask.length) < band(0.3));
    assertEquals([...new Set(mask)].sort(), [0, Math.fround(1 / (1 - Math.round(0.3 * 2 ** 23) * 2 ** -23))]);
    const others = [
      draw(Int32Array.of(KEY[0]! + 1, KEY[1]!)),
      draw(Int32Array.of(KEY[0]!, KEY[1]! + 1)),
      draw(KEY, { ...OPTIONS, site: 6 }),
    ];
    // Independent masks drop the same element with probability 0.3^2.
    for (const other of others) assert(Math.abs(both(mask, other) - 0.09 * mask.length) < band(0.09));
    const [first, second] = [mask.subarray(0, shape[1]), mask.subarray(shape[1]!, 2 * shape[1]!)];
    assert(Math.abs(both(first, second) - 0.09 * first.length) < band(0.09) / Math.sqrt(8));

    assertEquals(new Set(draw(KEY, { site: 0, rate: 0 })), new Set([1]));
    tf.unregisterKernel(KEEP_MASK, TENSORFLOW_BACKEND);
    await device.dispose();
  },
});
