import process from "node:process";
import { FOLDER_VARIABLES } from "../../std/user_folder.ts";
import type { DeviceOptions, Precision } from "../device.ts";
import type { DeviceDescription, DeviceGrants } from "../devices.ts";
import { cpuFlags, instructionClass, threadCount } from "../numerics.ts";
import { findTorch, TORCH_VERSION, torchInstallation } from "./installation.ts";

/** Descriptions of device `torch` that do not load PyTorch. */

/** @param flags of the processor, as `cpuFlags` returns them; given by tests */
export function describeTorch(
  { threads = navigator.hardwareConcurrency, precision = "fp32" }: Pick<DeviceOptions, "threads" | "precision"> = {},
  flags: ReadonlySet<string> | undefined = cpuFlags(),
): DeviceDescription {
  const name = "torch";
  if (precision === "bf16" && bfloat16Class(flags) === undefined) {
    const reason =
      "this processor has no instructions for bf16 (AVX-512-bf16 or AMX), which would take 4 times as long";
    return { name, available: false, numerics: undefined, reason, fix: "use precision fp32" };
  }
  const found = findTorch();
  if ("reason" in found) return { name, available: false, numerics: undefined, ...found };
  const kernels = `PyTorch ${TORCH_VERSION}'s kernels on the CPU, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  // `sse4a` is AMD's alone. Intel's processors multiply half as many numbers in bf16 as in float32 without AMX.
  const slower = bfloat16Class(flags) === "x86-avx512" && !flags!.has("sse4a");
  const rounding = `, products in bf16${slower ? ", which is slower than fp32 without AMX" : ""}`;
  const reason = `${kernels}${precision === "bf16" ? rounding : ""}`;
  return { name, available: true, reason, numerics: torchNumerics(threads, precision, flags) };
}

/** Returns everything that a process needs for the device if it is given the numerics. */
export function torchGrants(): DeviceGrants {
  return { ffi: [torchInstallation().folder], env: FOLDER_VARIABLES };
}

/**
 * Returns the numerics: PyTorch's version, the instruction-set class of its kernels, with `-bf16` if products are
 * rounded to that, and the threads that sum. Without instructions for bf16, PyTorch computes it by others.
 */
export function torchNumerics(
  threads: number = navigator.hardwareConcurrency,
  precision: Precision = "fp32",
  flags: ReadonlySet<string> | undefined = cpuFlags(),
): string {
  const usual = instructionClass(process.arch, flags);
  const kernels = precision === "bf16" ? `${bfloat16Class(flags) ?? `${usual}-emulated`}${BFLOAT16}` : usual;
  return `torch-cpu/${TORCH_VERSION}/${kernels}/${threadCount(threads)}`;
}

const BFLOAT16 = "-bf16";

/** True if a device with these numerics rounds products to bf16. */
export const roundsToBfloat16 = (numerics: string): boolean => numerics.includes(`${BFLOAT16}/`);

function bfloat16Class(flags: ReadonlySet<string> | undefined): string | undefined {
  return flags?.has("amx_bf16") ? "x86-amx" : flags?.has("avx512_bf16") ? "x86-avx512" : undefined;
}
