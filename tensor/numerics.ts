import { readFileSync } from "node:fs";
import process from "node:process";
import { ONNXRUNTIME_VERSION } from "./onnx/package.ts";

/**
 * What decides the rounding of results on device `onnx`: the engine's version and the class of instruction set for
 * which its kernels are written, e.g. `onnx-cpu/1.30.0/x86-avx512`. The number of threads does not matter.
 *
 * On Linux this reads `/proc/cpuinfo`, which Deno allows only with `--allow-all`; a process with fewer permissions must
 * be told the string by its parent. Where there is no such file the class is the architecture alone.
 */
export function onnxNumerics(): string {
  return `onnx-cpu/${ONNXRUNTIME_VERSION}/${instructionClass(process.arch, cpuFlags())}`;
}

/**
 * The widest set of kernels of ONNX Runtime's matrix library that a processor can run.
 * @param arch As in `process.arch`. @param flags Feature names of Linux; undefined where they are not known.
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

function cpuFlags(): Set<string> | undefined {
  if (process.platform !== "linux") return undefined;
  const text = readFileSync("/proc/cpuinfo", "utf8");
  const line = /^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1];
  return line === undefined ? undefined : new Set(line.trim().split(/\s+/));
}
