import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import type { DeviceDescription } from "../../../tensor/devices.ts";
import { openOnnxDevice } from "../../../tensor/onnx/device.ts";
import { describeOnnx, describeOnnxCuda, describeOnnxWebgpu, type OnnxMachine } from "../../../tensor/onnx/describe.ts";
import { ONNXRUNTIME_VERSION } from "../../../tensor/onnx/package.ts";
import { assertCloseArrays, sampleFeeds } from "../../support/tensors.ts";
import { skipUnless } from "../../support/proc.ts";
import { SMALL_NET_INPUTS, smallNetStep } from "./small_net.ts";

const LIBRARY = "bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so";

Deno.test("describeOnnx() says why a platform has no device", () => {
  const description = describeOnnx({ platform: "darwin-x64" });
  assert(!description.available && description.numerics === undefined);
  assertStringIncludes(description.reason, "no CPU library for darwin-x64");
});

Deno.test("describeOnnxCuda() wants the platform, a GPU and the library that is downloaded apart", async () => {
  const packageFolder = await Deno.makeTempDir({ prefix: "noiseline-onnx-" });
  try {
    const machine: OnnxMachine = { platform: "linux-x64", packageFolder, nvidia: true };
    const reasonOf = (changed: Partial<OnnxMachine>) => describeOnnxCuda({ ...machine, ...changed }).reason;
    assertEquals(reasonOf({ platform: "win32-x64" }), "no CUDA library for win32-x64, only for linux-x64");
    assertEquals(reasonOf({ nvidia: false }), "no NVIDIA GPU is visible");
    assertEquals(reasonOf({ packageFolder: undefined }), "onnxruntime-node's CUDA library is not installed");
    assertStringIncludes(describeOnnxCuda(machine).fix!, "script/install.js");
    await Deno.mkdir(join(packageFolder, LIBRARY, ".."), { recursive: true });
    await Deno.writeTextFile(join(packageFolder, LIBRARY), "");
    const description = describeOnnxCuda(machine);
    assert(description.available);
    assertStringIncludes(description.numerics!, `onnx-cuda/${ONNXRUNTIME_VERSION}/`);
  } finally {
    await Deno.remove(packageFolder, { recursive: true });
  }
});

Deno.test("describeOnnxWebgpu() is as available as an adapter is, where the package has the provider", () => {
  const adapter: DeviceDescription = {
    name: "webgpu",
    available: true,
    reason: "an adapter",
    numerics: "webgpu/4.22.0/acme-rocket",
    software: true,
  };
  const { name, available, numerics, software } = describeOnnxWebgpu(adapter, { platform: "linux-x64" });
  assertEquals([name, available, software], ["onnx-webgpu", true, true]);
  assertEquals(numerics, `onnx-webgpu/${ONNXRUNTIME_VERSION}/acme-rocket`);
  assertEquals(describeOnnxWebgpu(adapter, { platform: "linux-arm64" }).available, false);
  const none = { ...adapter, available: false, reason: "no adapter", numerics: undefined };
  assertEquals(describeOnnxWebgpu(none, { platform: "linux-x64" }).reason, "no adapter");
});

Deno.test("device onnx-webgpu agrees with the CPU on loss and gradients of a small U-Net", async () => {
  const feeds = sampleFeeds(SMALL_NET_INPUTS, { bound: 4 });
  const results = async (provider: "cpu" | "webgpu") => {
    const device = await openOnnxDevice({ provider, threads: 1 });
    try {
      return await (await device.compile(smallNetStep, SMALL_NET_INPUTS)).run(feeds);
    } finally {
      await device.dispose();
    }
  };
  const got = await results("webgpu").catch((error: Error) => {
    // Drivers that ONNX Runtime finds too poor are none to it; lavapipe before Mesa 23 is one.
    if (error.message.includes("Failed to get a WebGPU adapter")) return undefined;
    throw error;
  });
  if (skipUnless(got !== undefined, "no driver that ONNX Runtime's WebGPU accepts")) return;
  const wanted = await results("cpu");
  // float32 on both sides with sums of up to 1,000 terms in different orders; SwiftShader differs by 2.4e-5.
  for (const [name, array] of Object.entries(wanted)) assertCloseArrays(got![name]!, array, 1e-4, name);
});
