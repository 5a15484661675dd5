import process from "node:process";
import { fileURLToPath } from "node:url";
import type { DeviceDescription } from "../devices.ts";
import { cpuFlags, instructionClass, threadCount } from "../numerics.ts";

/** The version of onnxruntime-node in use; a test compares it, so that asking for it need not load the package. */
export const ONNXRUNTIME_VERSION = "1.30.0";

/** Folder of onnxruntime-node, without loading it; undefined where it cannot be told, as before its first download. */
export function onnxPackageFolder(): string | undefined {
  const module = import.meta.resolve("onnxruntime-node");
  return module.startsWith("file:") ? fileURLToPath(new URL("../", module)) : undefined;
}

/** A process needs no more than this for device `onnx`, when it is given the numerics. */
export function onnxGrants(): { ffi: string[] } {
  const folder = onnxPackageFolder();
  return { ffi: folder === undefined ? [] : [folder] };
}

/**
 * What decides the rounding of results on device `onnx`: the engine's version, the class of instruction set for which
 * its kernels are written, and the number of threads, e.g. `onnx-cpu/1.30.0/x86-avx512/2-threads`.
 *
 * Threads are part of it because ONNX Runtime's matrix products cut the sum over K into pieces whose length follows from
 * each thread's share of the columns. Often the pieces come out alike; for some shapes they do not.
 *
 * On Linux this reads `/proc/cpuinfo`, which Deno allows only with `--allow-all`; a process with fewer permissions must
 * be told the string by its parent. Where there is no such file the class is the architecture alone.
 */
export function onnxNumerics(threads: number = navigator.hardwareConcurrency): string {
  return `onnx-cpu/${ONNXRUNTIME_VERSION}/${instructionClass(process.arch, cpuFlags())}/${threadCount(threads)}`;
}

/** Whether ONNX Runtime's convolution of a constant filter has kernels that are as fast as its matrix products. */
export function hasFastConv(numerics: string): boolean {
  return /\/x86-avx/.test(numerics);
}

/** Platforms for which onnxruntime-node carries a library. */
const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-arm64", "win32-x64", "win32-arm64"];

/** @param platform as `process.platform`, a hyphen, and `process.arch` */
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
