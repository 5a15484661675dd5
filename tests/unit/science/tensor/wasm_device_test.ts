import { getThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import type { Device, HostTensors } from "../../../../science/tensor/device.ts";
import { openOnnxDevice } from "../../../../science/tensor/onnx/device.ts";
import type { Backend } from "../../../../science/tensor/wasm/kernels/memory.ts";
import { describeWasm, TFJS_WASM_VERSION, wasmGrants } from "../../../../science/tensor/wasm/describe.ts";
import { openWasmDevice } from "../../../../science/tensor/wasm/device.ts";
import { float32 } from "../../../support/tensors.ts";
import {
  assertHeldState,
  assertSameStep,
  SMALL_STEP,
  SMALL_STEP_INPUTS,
  smallBatch,
  smallState,
} from "./small_train_step.ts";

/** Opens a device and disposes of it however the test ends: otherwise the next test could not open its own. */
async function withWasm(threads: number, body: (device: Device) => Promise<void> | void): Promise<void> {
  const device = await openWasmDevice({ threads });
  try {
    await body(device);
  } finally {
    await device.dispose();
  }
}

function backend(): Backend {
  return tf.findBackend("wasm") as unknown as Backend;
}

Deno.test("a training step on device wasm agrees with device onnx", async () => {
  const onnx = await openOnnxDevice({ threads: 1 });
  await withWasm(2, (wasm) => assertSameStep(wasm, onnx));
  await onnx.dispose();
});

Deno.test("a step on device wasm carries the state that it holds", () => withWasm(1, assertHeldState));

Deno.test("device wasm gives the same bits again, and with any number of threads", async () => {
  const results: HostTensors[] = [];
  for (const threads of [1, 2, 3]) {
    await withWasm(threads, async (device) => {
      assertEquals(getThreadsCount(), threads);
      const step = await device.compile(SMALL_STEP, SMALL_STEP_INPUTS);
      const feeds = { ...smallState(), ...smallBatch(1) };
      results.push(await step.run(feeds), await step.run(feeds));
    });
  }
  for (const result of results) assertEquals(result, results[0]);
});

Deno.test("twenty steps on device wasm leave nothing in memory", () =>
  withWasm(1, async (device) => {
    const step = await device.compile(SMALL_STEP, SMALL_STEP_INPUTS);
    const bound = await step.bind(smallState());
    const usage = () => {
      const { numTensors, numDataBuffers } = tf.memory();
      return { numTensors, numDataBuffers, dataIds: backend().numDataIds(), heapBytes: backend().wasm.HEAPU8.length };
    };
    const run = async (steps: number) => {
      for (let i = 0; i < steps; i++) await bound.run(smallBatch(i));
      return usage();
    };
    const warm = await run(5);
    assertEquals(await run(20), warm);
    assertEquals(warm.dataIds, 4, "only the state is held");
  }));

Deno.test("device wasm leaves TF.js's selected backend alone", async () => {
  await tf.setBackend("cpu");
  const device = await openWasmDevice({ threads: 1 });
  assertEquals(tf.getBackend(), "cpu");
  const square = await device.compile(({ x }) => ({ y: tf.square(x!) }), { x: float32(2) });
  assertEquals((await square.run({ x: Float32Array.of(3, 4) }))["y"], Float32Array.of(9, 16));
  assertEquals(tf.getBackend(), "cpu");
  await device.dispose();
  await device.dispose();
  assertEquals(tf.findBackend("wasm"), null);
  await assertRejects(() => device.compile(({ x }) => ({ y: x! }), { x: float32(2) }), Error, "has been disposed of");
});

Deno.test("devices wasm share the engine while they have the same number of threads", async () => {
  const [first, second] = await Promise.all([openWasmDevice({ threads: 2 }), openWasmDevice({ threads: 2 })]);
  await assertRejects(
    () => openWasmDevice({ threads: 1 }),
    Error,
    "got threads 1, but it is open with 2, and a process has one engine. Fix: dispose of the other device first",
  );
  await first!.dispose();
  const double = await second!.compile(({ x }) => ({ y: tf.mul(x!, 2) }), { x: float32(1) });
  assertEquals((await double.run({ x: Float32Array.of(21) }))["y"], Float32Array.of(42));
  await second!.dispose();
  await (await openWasmDevice({ threads: 1 })).dispose();
});

Deno.test("openWasmDevice() cuts the number of threads to what the engine has", async () => {
  await withWasm(9, () => assertEquals(getThreadsCount(), 8));
  for (const threads of [0, -1, 1.5, NaN]) {
    await assertRejects(() => openWasmDevice({ threads }), RangeError, "threads must be a positive integer");
  }
});

Deno.test("openWasmDevice() falls back to one thread where there are no workers", async () => {
  const { Worker } = globalThis;
  class NoWorker {
    constructor() {
      throw new Error("no workers here");
    }
  }
  globalThis.Worker = NoWorker as unknown as typeof Worker;
  const device = await openWasmDevice({ threads: 2 }).finally(() => globalThis.Worker = Worker);
  assertEquals(getThreadsCount(), 1);
  const half = await device.compile(({ x }) => ({ y: tf.div(x!, 2) }), { x: float32(1) });
  assertEquals((await half.run({ x: Float32Array.of(3) }))["y"], Float32Array.of(1.5));
  await device.dispose();
});

Deno.test("device wasm says when its memory has run out", async () => {
  await withWasm(1, () => {
    assertThrows(() => backend().wasm._malloc(2 ** 32 - 2 ** 10), Error, "out of memory for 4294966272 bytes");
  });
});

Deno.test("device wasm reports what the engine complains of, in place of results", async () => {
  await withWasm(2, async (device) => {
    const double = await device.compile(({ x }) => ({ y: tf.mul(x!, 2) }), { x: float32(1) });
    await double.run({ x: Float32Array.of(1) });
    // A pooling with windows without pixels, which TF.js itself would refuse.
    const [x, y] = [0, 1].map(() => backend().makeOutput([1, 4, 4, 1], "float32")) as [tf.TensorInfo, tf.TensorInfo];
    const [from, to] = [x, y].map(({ dataId }) => backend().dataIdMap.get(dataId).id) as [number, number];
    const pool = backend().wasm.cwrap("AvgPool", null, Array.from({ length: 14 }, () => "number"));
    pool(from, 1, 4, 4, 0, 0, 0, 0, 0, 0, 1, 1, 1, to);
    await assertRejects(
      () => double.run({ x: Float32Array.of(1) }),
      Error,
      'Device "wasm": XNN status for xnn_create_average_pooling2d_nhwc_f32 is not successful',
    );
  });
});

Deno.test("describeWasm() names the version that is installed and loads nothing", async () => {
  const manifest = JSON.parse(await Deno.readTextFile(`${wasmGrants().read[0]}../package.json`));
  assertEquals(TFJS_WASM_VERSION, manifest.version);
  const description = describeWasm();
  assert(description.available);
  assertEquals(description.numerics, `wasm/${manifest.version}/simd`);
  assertMatch(description.reason, /TF\.js in WebAssembly, [1-8] threads?/);
  await withWasm(1, ({ numerics }) => assertEquals(numerics, description.numerics));
});
