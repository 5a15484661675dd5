import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import {
  describeTensorflow,
  tensorflowGrants,
  tensorflowNumerics,
} from "../../../science/tensor/tensorflow/describe.ts";
import { openTensorflowDevice } from "../../../science/tensor/tensorflow/device.ts";
import { findInstallation } from "../../../science/tensor/tensorflow/installation.ts";
import { openDevice } from "../../../science/tensor/mod.ts";
import { skipTestsUnless, skipUnless } from "../../support/proc.ts";
import { assertParity } from "../../support/tensors.ts";
import { assertHeldState, assertSameStep } from "../../unit/science/tensor/small_train_step.ts";
import { runModule } from "../../unit/science/tensor/tensorflow_child.ts";

const installation = findInstallation(false);
const absent = skipTestsUnless(
  installation !== undefined,
  "device tensorflow is not set up (deno task setup:tensorflow)",
);
const test = (name: string, fn: () => Promise<void>) => Deno.test({ name, ignore: absent, fn });
const THREADS = 2;

test("a training step on TensorFlow is the one on ONNX Runtime", async () => {
  const device = await openTensorflowDevice({ gpu: false, threads: THREADS });
  const reference = await openDevice("onnx", { threads: THREADS });
  await assertSameStep(device, reference);
  await reference.dispose();
  await device.dispose();
});

test("TensorFlow keeps held state from step to step, and keeps no tensor after its device", async () => {
  const device = await openTensorflowDevice({ gpu: false, threads: THREADS });
  await assertHeldState(device);
  await device.dispose();
  assertEquals(tf.findBackend("tensorflow").numDataIds(), 0);
});

test("TensorFlow works in the project's own TF.js, beside its other backends", async () => {
  const device = await openTensorflowDevice({ gpu: false, threads: THREADS });
  assertEquals(device.numerics, tensorflowNumerics(installation!, THREADS));
  const before = tf.getBackend();
  await assertParity(({ x }) => ({ y: tf.softmax(x!) }), { x: { shape: [3, 5], dtype: "float32" } }, {
    x: Float32Array.from({ length: 15 }, (_, i) => i / 3),
  }, { device, tolerance: 1e-6 });
  assertEquals(tf.getBackend(), "cpu");
  await tf.setBackend(before);
  await device.dispose();
});

test("TensorFlow's threads are those that the process has loaded it with", async () => {
  await (await openTensorflowDevice({ gpu: false, threads: THREADS })).dispose();
  await assertRejects(
    () => openTensorflowDevice({ gpu: false, threads: THREADS + 1 }),
    Error,
    "Cannot use TensorFlow with threads 3: this process has loaded it with 2. Fix: use the same number",
  );
  await assertRejects(() => openTensorflowDevice({ gpu: false, threads: 0 }), RangeError, "threads must be a positive");
});

test("a process with the device's grants alone opens it", async () => {
  const program = `
    import { openDevice } from "science/tensor/mod.ts";
    import * as tf from "@tensorflow/tfjs-core";
    const device = await openDevice("tensorflow", { threads: 2, numerics: "given" });
    const compiled = await device.compile(({ x }) => ({ y: tf.square(x) }), { x: { shape: [2], dtype: "float32" } });
    const { y } = await compiled.run({ x: Float32Array.of(3, 4) });
    await device.dispose();
    console.log(device.numerics, y.join());`;
  const { read = [], ffi = [], env = [] } = tensorflowGrants(false);
  const permissions = [`--allow-read=${read}`, `--allow-ffi=${ffi}`, `--allow-env=${env}`];
  const { out, err } = await runModule(program, { permissions });
  assertEquals(out, "given 9,16", err);
  // Without the right to load native code, the error says so.
  const refused = await runModule(program, { permissions: permissions.filter((flag) => !flag.includes("ffi")) });
  assert(refused.code !== 0 && refused.err.includes("--allow-ffi"), refused.err);
});

test("TensorFlow loads beside a graphics driver that brings another LLVM", async () => {
  const program = `
    import { openTensorflowDevice } from "science/tensor/tensorflow/device.ts";
    const adapter = await navigator.gpu?.requestAdapter();
    const device = await openTensorflowDevice({ gpu: false, threads: 1 });
    console.log(device.name, /libLLVM/.test(Deno.readTextFileSync("/proc/self/maps")));`;
  const { code, out, err } = await runModule(program);
  assertEquals(code, 0, err);
  assert(out.startsWith("tensorflow "), out);
  skipUnless(out.endsWith("true"), "no driver with an LLVM of its own, so there was nothing to clash with");
});

test("results are the same to the bit with the same number of threads, which the numerics name", async () => {
  assertMatch(describeTensorflow(false).numerics!, new RegExp(`/${navigator.hardwareConcurrency}-threads?$`));
  const program = (threads: number) => `
    import { openDevice } from "science/tensor/mod.ts";
    import * as tf from "@tensorflow/tfjs-core";
    const device = await openDevice("tensorflow", { threads: ${threads} });
    const sum = await device.compile(({ x }) => ({ y: tf.sum(x) }), { x: { shape: [1e6], dtype: "float32" } });
    const { y } = await sum.run({ x: Float32Array.from({ length: 1e6 }, (_, i) => Math.sin(i)) });
    console.log(y[0]);`;
  const [one, two, again] = await Promise.all(
    [1, 2, 2].map(async (threads) => (await runModule(program(threads))).out),
  );
  assert(Math.abs(Number(one) - Number(two)) < 1e-2 && one !== "");
  assertEquals(two, again);
});
