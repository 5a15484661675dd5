import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { DeviceDescription } from "../devices.ts";
import { onnxNumerics } from "../numerics.ts";
import { hasNvidiaGpu, nvidiaModels, nvidiaPrecision } from "../tensorflow/gpus.ts";
import { onnxPackageFolder, ONNXRUNTIME_VERSION } from "./package.ts";

/** What of a machine decides which devices onnxruntime-node can be. */
export interface OnnxMachine {
  /** As `process.platform`, a hyphen, and `process.arch`. */
  readonly platform: string;
  /** Folder of the installed package; undefined before its first download. */
  readonly packageFolder: string | undefined;
  readonly nvidia: boolean;
}

/** Platforms for which onnxruntime-node carries a library, by execution provider. */
const CPU_PLATFORMS = new Set(["linux-x64", "linux-arm64", "darwin-arm64", "win32-x64", "win32-arm64"]);
const WEBGPU_PLATFORMS = new Set(["linux-x64", "darwin-arm64", "win32-x64", "win32-arm64"]);

/** The CUDA provider is no part of the package: its install script downloads this file into it. */
const CUDA_LIBRARY = "bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so";

/** Its script by itself, because Deno runs install scripts only for packages in a `node_modules` folder. */
const CUDA_INSTALL =
  `deno run -A npm:onnxruntime-node@${ONNXRUNTIME_VERSION}/script/install.js --onnxruntime-node-install=cuda12`;

const PLATFORM = `${process.platform}-${process.arch}`;

function thisMachine(): OnnxMachine {
  return {
    platform: PLATFORM,
    packageFolder: onnxPackageFolder(),
    nvidia: hasNvidiaGpu(),
  };
}

export function describeOnnx(
  { threads = navigator.hardwareConcurrency, platform = PLATFORM }: {
    readonly threads?: number | undefined;
    readonly platform?: string;
  } = {},
): DeviceDescription {
  if (!CPU_PLATFORMS.has(platform)) {
    return absent("onnx", `no CPU library for ${platform}, only for ${[...CPU_PLATFORMS].join(", ")}`);
  }
  const reason = `ONNX Runtime on the CPU, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  return { name: "onnx", available: true, reason, numerics: onnxNumerics(threads) };
}

/** Whether the driver's and CUDA's own libraries can be loaded shows only when the device is opened. */
export function describeOnnxCuda(machine: OnnxMachine = thisMachine()): DeviceDescription {
  const { platform, packageFolder, nvidia } = machine;
  if (platform !== "linux-x64") return absent("onnx-cuda", `no CUDA library for ${platform}, only for linux-x64`);
  if (!nvidia) return absent("onnx-cuda", "no NVIDIA GPU is visible");
  if (packageFolder === undefined || !existsSync(join(packageFolder, CUDA_LIBRARY))) {
    return absent("onnx-cuda", "onnxruntime-node's CUDA library is not installed", CUDA_INSTALL);
  }
  const numerics = `onnx-cuda/${ONNXRUNTIME_VERSION}/${nvidiaModels()}/${nvidiaPrecision()}`;
  return { name: "onnx-cuda", available: true, reason: "ONNX Runtime on an NVIDIA GPU", numerics };
}

/** @param adapter What Deno's WebGPU finds: ONNX Runtime brings its own WebGPU, which needs the same drivers. */
export function describeOnnxWebgpu(
  adapter: DeviceDescription,
  { platform = PLATFORM }: { readonly platform?: string } = {},
): DeviceDescription {
  const name = "onnx-webgpu";
  if (!WEBGPU_PLATFORMS.has(platform)) {
    return absent(name, `no WebGPU library for ${platform}, only for ${[...WEBGPU_PLATFORMS].join(", ")}`);
  }
  if (!adapter.available) return { ...adapter, name };
  // All that is known of the hardware is the last part of what the other device says of it.
  const hardware = adapter.numerics?.split("/").at(-1) ?? "unknown";
  return {
    ...adapter,
    name,
    reason: "ONNX Runtime's own WebGPU, experimental, on the adapter of device webgpu",
    numerics: `onnx-webgpu/${ONNXRUNTIME_VERSION}/${hardware}`,
  };
}

function absent(name: DeviceDescription["name"], reason: string, fix?: string): DeviceDescription {
  return { name, available: false, reason, numerics: undefined, ...(fix === undefined ? {} : { fix }) };
}
