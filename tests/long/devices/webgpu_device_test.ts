import * as tf from "@tensorflow/tfjs-core";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { Device, HostTensors } from "../../../science/tensor/device.ts";
import { openOnnxDevice } from "../../../science/tensor/onnx/device.ts";
import {
  adapterName,
  describeWebgpu,
  isSoftware,
  TFJS_WEBGPU_VERSION,
  webgpuNumerics,
} from "../../../science/tensor/webgpu/describe.ts";
import { openWebgpuDevice } from "../../../science/tensor/webgpu/device.ts";
import { skipTestsUnless } from "../../support/proc.ts";
import { assertParity, float32, sampleFeeds, withGradients } from "../../support/tensors.ts";
import { checkConvolutions } from "../../unit/science/tensor/convolutions.ts";
import {
  assertHeldState,
  assertSameStep,
  SMALL_STEP,
  SMALL_STEP_INPUTS,
  smallBatch,
  smallState,
} from "../../unit/science/tensor/small_train_step.ts";

const description = await describeWebgpu();
const ignore = skipTestsUnless(description.available, "no WebGPU adapter");

/** Opens a device, software or not, and disposes of it however the test ends. */
async function withWebgpu(body: (device: Device) => Promise<void>): Promise<void> {
  const device = await openWebgpuDevice();
  try {
    await body(device);
  } finally {
    await device.dispose();
  }
}

Deno.test(
  "looking for an adapter prints nothing without XDG_RUNTIME_DIR, and leaves it unset",
  { ignore },
  async () => {
    const code = `const { IMPLEMENTATIONS } = await import("${
      import.meta.resolve("../../../science/tensor/implementations.ts")
    }");
    await IMPLEMENTATIONS.webgpu.describe({});
    console.log(Deno.env.get("XDG_RUNTIME_DIR"));`;
    const { XDG_RUNTIME_DIR: _unset, ...env } = Deno.env.toObject();
    const args = ["eval", "--no-check", code];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env, clearEnv: true }).output();
    assertEquals([stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)), ["undefined\n", ""]);
  },
);

Deno.test("a training step on device webgpu agrees with device onnx", { ignore }, async () => {
  const onnx = await openOnnxDevice({ threads: 1 });
  await withWebgpu((webgpu) => assertSameStep(webgpu, onnx));
  await onnx.dispose();
});

Deno.test("a step on device webgpu carries the state that it holds", { ignore }, () => withWebgpu(assertHeldState));

// float32 sums of up to 1,280 products in another order.
Deno.test(
  "conv2d and its gradients on device webgpu agree with float64",
  { ignore },
  (t) => withWebgpu((device) => checkConvolutions(t, device, 5e-6)),
);

Deno.test(
  "a filter's gradient of images with large columns on device webgpu is a sum over parts",
  { ignore },
  async () => {
    await withWebgpu(async (device) => {
      // 151 MB of columns.
      const inputs = { x: float32(2, 64, 64, 512), dy: float32(2, 64, 64, 1) };
      const gradient = ({ x, dy }: Record<string, tf.Tensor>) => ({
        y: tf.grad((w) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same"))(tf.zeros([3, 3, 512, 1]), dy!),
      });
      await assertParity(gradient, inputs, sampleFeeds(inputs), { device, tolerance: 5e-6 });
    });
  },
);

Deno.test("long sums of products on device webgpu are right, and the same each time", { ignore }, async (t) => {
  await withWebgpu(async (device) => {
    for (const [terms, rows, columns] of [[4096, 32, 33], [4099, 20, 9], [2000, 3, 3]] as const) {
      await t.step(`${terms} terms, ${rows} x ${columns} results`, async () => {
        const inputs = { a: float32(terms, rows), b: float32(terms, columns) };
        const feeds = sampleFeeds(inputs);
        const product = ({ a, b }: Record<string, tf.Tensor>) => ({ y: tf.matMul(a!, b!, true) });
        await assertParity(product, inputs, feeds, { device, tolerance: 5e-6 });
        const compiled = await device.compile(product, inputs);
        const first = await compiled.run(feeds);
        for (let i = 0; i < 2; i++) assertEquals(await compiled.run(feeds), first);
        await compiled.dispose();
      });
    }
    await t.step("without transposition", async () => {
      const inputs = { a: float32(4, 2100), b: float32(2100, 40) };
      await assertParity(({ a, b }) => ({ y: tf.matMul(a!, b!) }), inputs, sampleFeeds(inputs), {
        device,
        tolerance: 5e-6,
      });
    });
  });
});

Deno.test(
  "addN on device webgpu takes more tensors than a shader has buffers",
  { ignore },
  () =>
    withWebgpu(async (device) => {
      for (const count of [1, 7, 8, 13, 14, 100]) {
        const inputs = Object.fromEntries(Array.from({ length: count }, (_, i) => [`x${i}`, float32(3, 5)]));
        const fn = withGradients((given) => tf.addN(Object.values(given)));
        await assertParity(fn, inputs, sampleFeeds(inputs), { device, tolerance: 5e-6 });
      }
    }),
);

Deno.test(
  "steps on device webgpu give the same bits again and leave nothing behind",
  { ignore },
  () =>
    withWebgpu(async (device) => {
      const step = await device.compile(SMALL_STEP, SMALL_STEP_INPUTS);
      const feeds = { ...smallState(), ...smallBatch(1) };
      const first: HostTensors = await step.run(feeds);
      const usage = () => {
        const { numTensors, numDataBuffers } = tf.memory();
        return { numTensors, numDataBuffers, dataIds: tf.findBackend("webgpu").numDataIds() };
      };
      const warm = usage();
      for (let i = 0; i < 2; i++) assertEquals(await step.run(feeds), first);
      assertEquals(usage(), warm);
      assertEquals(warm.dataIds, 0);
    }),
);

Deno.test(
  "device webgpu reports what the driver reports, in place of results",
  { ignore },
  () =>
    withWebgpu(async (device) => {
      const inputs = { x: float32(2 ** 16, 1), y: float32(1, 2 ** 15) };
      // An intermediate result of 8 GiB: WebGPU cannot bind more than 4.
      const compiled = await device.compile(({ x, y }) => ({ sum: tf.sum(tf.add(x!, y!)) }), inputs);
      await assertRejects(
        () => compiled.run(sampleFeeds(inputs)),
        Error,
        'Device "webgpu" failed: Buffer size 8589934592',
      );
    }),
);

Deno.test("device webgpu leaves TF.js's selected backend alone", { ignore }, async () => {
  await tf.setBackend("cpu");
  const [first, second] = await Promise.all([
    openWebgpuDevice(),
    openWebgpuDevice({ numerics: "given" }),
  ]);
  assertEquals([first!.numerics, second!.numerics], [description.numerics, "given"]);
  await first!.dispose();
  const square = await second!.compile(({ x }) => ({ y: tf.square(x!) }), { x: float32(2) });
  assertEquals((await square.run({ x: Float32Array.of(3, 4) }))["y"], Float32Array.of(9, 16));
  await second!.dispose();
  await second!.dispose();
  assertEquals(tf.getBackend(), "cpu");
  assertEquals(tf.findBackend("webgpu"), null);
});

Deno.test("device webgpu needs no permission and no unstable flag", { ignore }, async () => {
  const root = new URL("../../../", import.meta.url);
  const program = `
    import { openWebgpuDevice } from "${new URL("science/tensor/webgpu/device.ts", root)}";
    import * as tf from "@tensorflow/tfjs-core";
    const device = await openWebgpuDevice();
    const inputs = { x: { shape: [2, 2], dtype: "float32" } };
    const product = await device.compile(({ x }) => ({ y: tf.matMul(x, x) }), inputs);
    const { y } = await product.run({ x: Float32Array.of(1, 2, 3, 4) });
    await device.dispose();
    console.log(y.join());`;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, program);
    const args = ["run", "--no-check", "--no-prompt", "--cached-only", "--config", new URL("deno.json", root).pathname];
    const command = new Deno.Command(Deno.execPath(), { args: [...args, file], stdout: "piped", stderr: "piped" });
    const { stdout, stderr } = await command.output();
    assertEquals(new TextDecoder().decode(stdout).trim(), "7,10,15,22", new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("without an adapter device webgpu says so", async () => {
  const withGpu = async (value: unknown, body: () => Promise<void>) => {
    Object.defineProperty(navigator, "gpu", { value, configurable: true });
    await body().finally(() => Reflect.deleteProperty(navigator, "gpu"));
  };
  await withGpu({ requestAdapter: () => Promise.resolve(null) }, async () => {
    const { available, reason, numerics } = await describeWebgpu();
    assertEquals([available, numerics], [false, undefined]);
    assertMatch(reason, /no GPU driver that WebGPU can use/);
    await assertRejects(() => openWebgpuDevice(), Error, 'Cannot open device "webgpu": no GPU');
  });
  await withGpu(undefined, async () => {
    assertEquals((await describeWebgpu()).reason, "this runtime has no WebGPU");
  });
});

Deno.test("adapters are told apart by their names", async () => {
  const real = {
    vendor: "4318",
    architecture: "",
    device: "9008",
    description: "NVIDIA H100 PCIe",
    isFallbackAdapter: false,
  } as GPUAdapterInfo;
  assertEquals(isSoftware(real), false);
  assertEquals(adapterName(real), "NVIDIA H100 PCIe");
  assertEquals(webgpuNumerics(real), `webgpu/${TFJS_WEBGPU_VERSION}/4318-nvidia-h100-pcie`);
  assertEquals(webgpuNumerics({ ...real, architecture: "hopper" }), `webgpu/${TFJS_WEBGPU_VERSION}/4318-hopper`);
  assertEquals(adapterName({ ...real, description: "" }), "adapter 4318 9008");
  assertEquals(isSoftware({ ...real, isFallbackAdapter: true }), true);
  for (
    const description of ["llvmpipe (LLVM 15.0.6, 256 bits)", "SwiftShader Device", "Microsoft Basic Render Driver"]
  ) {
    assertEquals(isSoftware({ ...real, description }), true);
  }
  const folder = new URL("../", import.meta.resolve("@tensorflow/tfjs-backend-webgpu"));
  assertEquals(TFJS_WEBGPU_VERSION, JSON.parse(await Deno.readTextFile(new URL("package.json", folder))).version);
});
