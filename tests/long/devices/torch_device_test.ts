import * as tf from "@tensorflow/tfjs-core";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { existsSync } from "node:fs";
import { openDevice } from "../../../tensor/mod.ts";
import { torchNumerics } from "../../../tensor/torch/describe.ts";
import { openTorchDevice } from "../../../tensor/torch/device.ts";
import { findTorch } from "../../../tensor/torch/installation.ts";
import { skipTestsUnless } from "../../support/proc.ts";
import { float32 } from "../../support/tensors.ts";
import { checkSameBytes } from "../../unit/stages/same_bytes.ts";
import {
  assertHeldState,
  assertSameStep,
  SMALL_STEP,
  SMALL_STEP_INPUTS,
  smallBatch,
  smallState,
  STATE,
} from "../../unit/tensor/small_train_step.ts";

const absent = skipTestsUnless("folder" in findTorch(), "device torch is not set up (deno task setup:torch)");
const test = (name: string, fn: () => Promise<void>) => Deno.test({ name, ignore: absent, fn });
const THREADS = 2;

test("a training step on torch is the one on ONNX Runtime", async () => {
  await using opened = new AsyncDisposableStack();
  const [device, reference] = [await openTorchDevice({ threads: THREADS }), await openDevice("onnx", { threads: 2 })];
  for (const one of [device, reference]) opened.defer(() => one.dispose());
  await assertSameStep(device, reference);
  await assertHeldState(device);
});

test("train gives the same bytes straight, stopped and resumed, and extended, on torch", () =>
  checkSameBytes({ name: "torch", numerics: torchNumerics(THREADS) }));

test("steps on torch have the same bytes each time, with other numbers of threads between them", async () => {
  const runOf = async (threads: number) => {
    const device = await openTorchDevice({ threads });
    const compiled = await device.compile(SMALL_STEP, SMALL_STEP_INPUTS);
    const bound = await compiled.bind(smallState());
    const losses = [];
    for (let step = 0; step < 3; step++) losses.push((await bound.run(smallBatch(step)))["loss"]);
    const state = await bound.read([...STATE]);
    await device.dispose();
    return { losses, state };
  };
  const first = await runOf(2);
  await runOf(1);
  assertEquals(await runOf(2), first);
});

test("torch swaps what two held values replace each other by, and moves one within itself", async () => {
  const device = await openTorchDevice({ threads: 1 });
  const fn = ({ a, b, c, k }: Record<string, tf.Tensor>) => ({
    ...{ a: b!, b: tf.reverse(a!), c: tf.transpose(c!), k: k! },
    sum: tf.sum(a!),
  });
  const compiled = await device.compile(fn, { a: float32(3), b: float32(3), c: float32(2, 2), k: float32(1) });
  const held = { a: [1, 2, 3], b: [4, 5, 6], c: [1, 2, 3, 4], k: [7] };
  const bound = await compiled.bind(
    Object.fromEntries(Object.entries(held).map(([name, numbers]) => [name, Float32Array.from(numbers)])),
  );
  assertEquals(await bound.run({}), { sum: Float32Array.of(6) });
  assertEquals(await bound.read(), {
    a: Float32Array.of(4, 5, 6),
    b: Float32Array.of(3, 2, 1),
    c: Float32Array.of(1, 3, 2, 4),
    k: Float32Array.of(7),
  });
  await device.dispose();
});

test("torch frees what it makes: memory stays the same over many runs, also of runs that fail", async () => {
  if (!existsSync("/proc/self/status")) return;
  const device = await openTorchDevice({ threads: 1 });
  const compiled = await device.compile(({ x, at }) => {
    const y = tf.add(x!, 1);
    return { y: tf.sum(tf.gather(tf.mul(y, y), at as tf.Tensor1D)) };
  }, { x: float32(1 << 20), at: { shape: [1], dtype: "int32" } });
  const x = new Float32Array(1 << 20);
  const resident = () => Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))![1]) / 1024;
  const runs = async (count: number) => {
    for (let i = 0; i < count; i++) {
      await compiled.run({ x, at: Int32Array.of(0) });
      await assertRejects(() => compiled.run({ x, at: Int32Array.of(1 << 20) }), Error, 'PyTorch\'s part "Gather"');
    }
  };
  await runs(5);
  const before = resident();
  await runs(40);
  // Each run makes 8 MB; 80 runs that kept one tensor of them would keep 320 MB.
  assert(resident() - before < 100, `${before} MB before, ${resident()} MB after`);
  await device.dispose();
});

test("an operation that fails names the user's line, and lack of memory says so", async () => {
  const device = await openTorchDevice({ threads: 1 });
  const size = 1 << 20;
  const compiled = await device.compile(
    ({ x }) => ({ y: tf.sum(tf.matMul(tf.reshape(x!, [size, 1]), tf.reshape(x!, [1, size]))) }),
    { x: float32(size) },
    { label: "huge" },
  );
  const error = await assertRejects(() => compiled.run({ x: new Float32Array(size) }), Error, 'Cannot run "huge"');
  // As `stages/shared/out_of_memory.ts` recognises it.
  assertMatch(
    error.message,
    /"Gemm" failed \(called at file:.*torch_device_test\.ts:\d+:\d+\): .*can't allocate memory/,
  );
  await device.dispose();
});
