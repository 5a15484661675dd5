import process from "node:process";
import { fileURLToPath } from "node:url";
import type { DeviceDescription } from "../devices.ts";
import { cpuFlags, instructionClass, threadCount } from "../numerics.ts";

/**
 * The version of onnxruntime-node in use. A constant, so that the package need not be loaded to know it; a test
 * compares it.
 */
export const ONNXRUNTIME_VERSION = "1.30.0";

/**
 * Returns the folder of onnxruntime-node without loading it; undefined if it is unknown, as before the first download.
 */
export function onnxPackageFolder(): string | undefined {
  const module = import.meta.resolve("onnxruntime-node");
  return module.startsWith("file:") ? fileURLToPath(new URL("../", module)) : undefined;
}

/** Returns everything that a process needs for device `onnx` if it is given the numerics. */
export function onnxGrants(): { ffi: string[] } {
  const folder = onnxPackageFolder();
  return { ffi: folder === undefined ? [] : [folder] };
}

/**
 * Returns the numerics of device `onnx`: the engine's version, the instruction-set class of its kernels, and the number
 * of threads, e.g. `onnx-cpu/1.30.0/x86-avx512/2-threads`.
 *
 * Threads are included because ONNX Runtime's matrix products cut the sum over K into pieces whose length depends on
 * each thread's share of the columns. Often the pieces are the same; for some shapes they are not.
 *
 * On Linux this reads `/proc/cpuinfo`, which Deno allows only with `--allow-all`; a process with fewer permissions must
 * get the string from its parent. If there is no such file, the class is the architecture alone.
 */
export function onnxNumerics(threads: number = navigator.hardwareConcurrency): string {
  return `onnx-cpu/${ONNXRUNTIME_VERSION}/${instructionClass(process.arch, cpuFlags())}/${threadCount(threads)}`;
}

/** True if ONNX Runtime's convolution of a constant filter has kernels as fast as its matrix products. */
export function hasFastConv(numerics: string): boolean {
  return /\/x86-avx/.test(numerics);
}

/** Platforms for which onnxruntime-node includes a library. */
const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-arm64", "win32-x64", "win32-arm64"];

/** @param platform `process.platform`, a hyphen, and `process.arch` */
export function describeOnnx(
  threads: number = navigator.hardwareConcurrency,
  platform = `${process.platform}-${process.arch}`,
): DeviceDescription {
  const name = "onnx";
  if (!PLATFORMS.includes(platform)) {
    const reason = `no CPU library for ${platform}, only for ${PLATFORMS.join(", ")}`;
    return { name, available: false, reason, numerics: undefined };
  }
  const reason = `ONNX Runtime on the CPU, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  return { name, available: true, reason, numerics: onnxNumerics(threads) };
}
