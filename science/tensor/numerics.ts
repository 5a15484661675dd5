import { readFileSync } from "node:fs";
import process from "node:process";

/** @throws RangeError for a number of threads that a device cannot have */
export function checkThreads(device: string, threads: number): void {
  if (Number.isInteger(threads) && threads >= 1) return;
  throw new RangeError(`Cannot open device "${device}": threads must be a positive integer: got ${threads}`);
}

/** Formats the number of threads as the last part of a device's numerics. */
export function threadCount(threads: number): string {
  return threads === 1 ? "1-thread" : `${threads}-threads`;
}

/**
 * Returns the widest set of kernels of ONNX Runtime's matrix library that a processor can run.
 * @param arch as in `process.arch` @param flags feature names of Linux; undefined if unknown
 */
export function instructionClass(arch: string, flags: ReadonlySet<string> | undefined): string {
  const family = arch === "x64" ? "x86" : arch;
  if (flags === undefined) return family;
  if (family === "x86") {
    if (flags.has("avx512f")) return "x86-avx512";
    if (flags.has("avx2") && flags.has("fma")) return "x86-avx2";
    return flags.has("avx") ? "x86-avx" : "x86-sse";
  }
  return family === "arm64" && flags.has("sme") ? "arm64-sme" : family;
}

export function cpuFlags(): Set<string> | undefined {
  if (process.platform !== "linux") return undefined;
  const text = readFileSync("/proc/cpuinfo", "utf8");
  const line = /^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1];
  return line === undefined ? undefined : new Set(line.trim().split(/\s+/));
}
