import * as tf from "@tensorflow/tfjs-core";
import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { existsSync } from "node:fs";
import { networkOf } from "../../../artifacts/checkpoint.ts";
import { diffusionLoss } from "../../../science/diffusion/diffusion_loss.ts";
import { attend, norm, silu, upsample } from "../../../science/diffusion/layers.ts";
import { builtinObjective, DEFAULT_OBJECTIVE } from "../../../science/diffusion/objectives.ts";
import { chainPath } from "../../../science/diffusion/path.ts";
import { adamBiasCorrections } from "../../../science/diffusion/recipe.ts";
import { makeTables } from "../../../science/diffusion/schedule/tables.ts";
import { scalarFeeds } from "../../../stages/shared/feeds.ts";
import { initialState, makeStepper } from "../../../stages/shared/training.ts";
import { openDevice, randomStream } from "../../../science/tensor/mod.ts";
import { torchNumerics } from "../../../science/tensor/torch/describe.ts";
import { openTorchDevice } from "../../../science/tensor/torch/device.ts";
import { findTorch, torchInstallation } from "../../../science/tensor/torch/installation.ts";
import { openTorch } from "../../../science/tensor/torch/library.ts";
import { skipTestsUnless } from "../../support/proc.ts";
import { assertCloseArrays, float32 } from "../../support/tensors.ts";
import { checkSameBytes } from "../../unit/stages/same_bytes.ts";
import {
  assertHeldState,
  assertSameStep,
  SMALL_STEP,
  SMALL_STEP_INPUTS,
  smallBatch,
  smallState,
  STATE,
} from "../../unit/science/tensor/small_train_step.ts";

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

test("state and inputs in memory of their own, as a card has it, train and are read as the caller's are", async () => {
  const torch = openTorch(torchInstallation().folder);
  const { put } = torch;
  // Nothing that a program computes with is then in an array of the caller's.
  torch.put = (array, type, shape) => {
    const shown = put(array, type, shape);
    const copy = torch.kernel("aoti_torch_clone", shown);
    torch.free(shown);
    return copy;
  };
  try {
    await using opened = new AsyncDisposableStack();
    const [device, reference] = [await openTorchDevice({ threads: THREADS }), await openDevice("onnx", { threads: 2 })];
    for (const one of [device, reference]) opened.defer(() => one.dispose());
    await assertSameStep(device, reference);
    await assertHeldState(device);
    await assertFiltersInOrder();
  } finally {
    torch.put = put;
  }
});

test(
  "filters in another order than the caller's are read as the caller gave them, and train as on ONNX Runtime",
  assertFiltersInOrder,
);

async function assertFiltersInOrder(): Promise<void> {
  // A filter of 3 x 3 x 128 x 128 has a block of the optimizer's to itself, as `torch_filters_test.ts` has it.
  const model = { imageSize: 4, inChannels: 1, outChannels: 1, channels: 128, multipliers: [1], blocks: 1 };
  const network = await networkOf({ ...model, attention: [] }, []);
  const path = chainPath(makeTables(new Float64Array(10).fill(0.01)));
  const params = { batchSize: 2, microBatches: 1, objective: builtinObjective(DEFAULT_OBJECTIVE), path };
  const images = { t: Int32Array.of(3, 7), x0: randomStream({ seed: 0, stream: "test/filters" }).normal(0, 32) };
  const feeds = {
    ...{ ...images, noise: images.x0.toReversed() },
    ...{ sqrtAlphasCumprod: Float32Array.of(0.9, 0.5), sqrtOneMinusAlphasCumprod: Float32Array.of(0.4, 0.8) },
  };
  const start = initialState(network, 0).vectors;
  /** Trains from vectors; the device is closed between `parts` of the steps. */
  const trained = async (name: "torch" | "onnx", parts: readonly (readonly number[])[]) => {
    let vectors: typeof start = structuredClone(start);
    for (const steps of parts) {
      const device = await openDevice(name, { threads: 1 });
      const stepper = await makeStepper(device, { loss: diffusionLoss(network, params), params, vectors });
      for (const step of steps) {
        const settings = { learningRate: 1e-3, ...adamBiasCorrections(step), emaDecay: 0.9, clipNorm: 1 };
        await stepper.step(feeds, scalarFeeds(settings));
      }
      vectors = await stepper.vectors();
      await device.dispose();
    }
    return vectors;
  };
  assertEquals(await trained("torch", [[]]), start);
  const whole = await trained("torch", [[1, 2]]);
  assertEquals(await trained("torch", [[1], [2]]), whole);
  // Weights move by 1e-3 in a step; sums of float32 in other orders change a gradient near 0 most.
  for (const [name, values] of Object.entries(await trained("onnx", [[1, 2]]))) {
    assertCloseArrays(whole[name as keyof typeof whole]!, values!, 2e-5);
  }
}

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
  const fn = ({ a, b, c, d, k }: Record<string, tf.Tensor>) => ({
    ...{ a: b!, b: tf.reverse(a!), c: tf.transpose(c!), k: k! },
    d: tf.concat([tf.mul(tf.slice(d!, 0, 2), 2), tf.add(tf.slice(d!, 2, 2), tf.slice(d!, 0, 2))]),
    sum: tf.sum(a!),
  });
  const inputs = { a: float32(3), b: float32(3), c: float32(2, 2), d: float32(4), k: float32(1) };
  const compiled = await device.compile(fn, inputs);
  const held = { a: [1, 2, 3], b: [4, 5, 6], c: [1, 2, 3, 4], d: [1, 2, 3, 4], k: [7] };
  const bound = await compiled.bind(
    Object.fromEntries(Object.entries(held).map(([name, numbers]) => [name, Float32Array.from(numbers)])),
  );
  assertEquals(await bound.run({}), { sum: Float32Array.of(6) });
  assertEquals(await bound.read(), {
    a: Float32Array.of(4, 5, 6),
    b: Float32Array.of(3, 2, 1),
    c: Float32Array.of(1, 3, 2, 4),
    d: Float32Array.of(2, 4, 4, 6),
    k: Float32Array.of(7),
  });
  await device.dispose();
});

/** Layers on operands that are not side by side in memory, and of unusual shapes. */
const turned = (x: tf.Tensor) => tf.transpose(x, [0, 2, 1]);
const LAYERS: Readonly<
  Record<string, readonly [Record<string, number[]>, (x: Record<string, tf.Tensor>) => tf.Tensor]>
> = {
  "attend without heads": [{ q: [2, 5, 8], k: [2, 7, 8], v: [2, 7, 8] }, ({ q, k, v }) => attend(q!, k!, v!)],
  "attend with heads": [
    { q: [2, 3, 5, 8], k: [2, 3, 7, 8], v: [2, 3, 7, 8] },
    ({ q, k, v }) => attend(q!, k!, v!, 0.2),
  ],
  "attend, turned": [
    { q: [2, 8, 5], k: [2, 8, 7], v: [2, 8, 7] },
    ({ q, k, v }) => attend(turned(q!), turned(k!), turned(v!)),
  ],
  "silu": [{ x: [2, 5] }, ({ x }) => silu(x!)],
  "upsample": [{ x: [2, 4, 3, 5] }, ({ x }) => upsample(tf.transpose(x!, [0, 2, 1, 3]))],
  "norm": [
    { x: [2, 4, 3, 10], scale: [8], bias: [8] },
    ({ x, scale, bias }) => {
      const part = tf.slice(tf.transpose(x!, [0, 2, 1, 3]), [0, 0, 0, 1], [2, 3, 4, 8]);
      return norm({ "n.scale": scale!, "n.bias": bias! }, "n", part, { groups: 4 });
    },
  ],
  "norm of one channel": [
    { x: [2, 3, 3, 2], scale: [1], bias: [1] },
    ({ x, scale, bias }) => norm({ "n.scale": scale!, "n.bias": bias! }, "n", tf.slice(x!, [0, 0, 0, 1])),
  ],
  "a convolution and its bias": [
    { x: [2, 6, 6, 3], filter: [3, 3, 3, 4], bias: [1, 1, 1, 4] },
    ({ x, filter, bias }) => tf.add(bias!, tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 2, "same")),
  ],
  "a product and its bias": [
    { x: [6, 5], y: [4, 6], bias: [4] },
    ({ x, y, bias }) => tf.add(tf.matMul(x!, y!, true, true), bias!),
  ],
};

for (const [name, [shapes, fn]] of Object.entries(LAYERS)) {
  test(`torch computes ${name} and its gradients as ONNX Runtime does`, async () => {
    const names = Object.keys(shapes);
    const whole = (inputs: Record<string, tf.Tensor>) => {
      const loss = (...given: tf.Tensor[]) => {
        const y = fn(Object.fromEntries(names.map((key, i) => [key, given[i]!])));
        return tf.sum(tf.mul(y, tf.sin(y)));
      };
      const { grads } = tf.valueAndGrads(loss as (...args: tf.Tensor[]) => tf.Scalar)(names.map((key) => inputs[key]!));
      return { y: fn(inputs), ...Object.fromEntries(grads.map((grad, i) => [`d${names[i]}`, grad])) };
    };
    const stream = randomStream({ seed: 3, stream: "test/layers" });
    const feeds = Object.fromEntries(
      Object.entries(shapes).map(([key, shape], i) => [key, stream.normal(i, tf.util.sizeFromShape(shape))]),
    );
    const [got, wanted] = await Promise.all([openTorchDevice({ threads: 1 }), openDevice("onnx", { threads: 1 })].map(
      async (opening) => {
        const device = await opening;
        const signature = Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, float32(...shape)]));
        const results = await (await device.compile(whole, signature)).run(feeds);
        await device.dispose();
        return results;
      },
    ));
    // Both sum up to a few dozen products of float32, in other orders.
    for (const [key, values] of Object.entries(wanted!)) assertCloseArrays(got![key]!, values, 1e-5);
  });
}

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
  // 128 GiB, the most that a traced value may have.
  const size = 1 << 18;
  const compiled = await device.compile(
    ({ x }) => ({
      y: tf.sum(tf.matMul(tf.reshape(x!, [size, 1]), tf.slice(tf.reshape(x!, [1, size]), 0, [1, size / 2]))),
    }),
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

/** The nearest bfloat16, the even one of two. */
function roundedToBfloat16(value: number): number {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, value);
  const word = bits.getUint32(0);
  bits.setUint32(0, ((word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000) >>> 0);
  return bits.getFloat32(0);
}

// Where the processor has no instructions for bf16, PyTorch computes the same by others, which only tests ask for.
const BF16 = torchNumerics(THREADS, "bf16");

test("a product in bf16 is that of rounded operands, rounded, and what is no product is not rounded", async () => {
  const device = await openTorchDevice({ threads: THREADS, numerics: BF16 });
  const compiled = await device.compile(
    ({ a, b }) => ({ product: tf.matMul(a!, b!), sum: tf.add(a!, b!) }),
    { a: float32(2, 2), b: float32(2, 2) },
  );
  const [a, b] = [Float32Array.of(1.001, -2.7, 0.3, 4), Float32Array.of(0.1, 3.14159, 2, -1.005)];
  const [p, q] = [a, b].map((one) => Array.from(one, roundedToBfloat16)) as [number[], number[]];
  const at = (row: number, column: number) => p[2 * row]! * q[column]! + p[2 * row + 1]! * q[2 + column]!;
  assertEquals(await compiled.run({ a, b }), {
    product: Float32Array.from([at(0, 0), at(0, 1), at(1, 0), at(1, 1)], roundedToBfloat16),
    sum: a.map((value, i) => value + b[i]!),
  });
  await device.dispose();
});

test("a training step in bf16 is that in float32 but for the rounding of its products", async () => {
  const lossesOn = async (numerics: string) => {
    const device = await openTorchDevice({ threads: THREADS, numerics });
    const bound = await (await device.compile(SMALL_STEP, SMALL_STEP_INPUTS)).bind(smallState());
    const losses: number[] = [];
    for (let step = 0; step < 3; step++) losses.push((await bound.run(smallBatch(step)))["loss"]![0]!);
    await device.dispose();
    return losses;
  };
  const [exact, rounded] = [await lossesOn(torchNumerics(THREADS)), await lossesOn(BF16)];
  // A number of bfloat16 has 8 binary digits; errors of many products mostly cancel.
  rounded.forEach((loss, i) => assert(Math.abs(loss / exact[i]! - 1) < 2 ** -8, `${loss}, not ${exact[i]}`));
  assertNotEquals(rounded, exact);
});

test("train gives the same bytes straight, stopped and resumed, and extended, in bf16 on torch", () =>
  checkSameBytes({ name: "torch", numerics: BF16 }));
