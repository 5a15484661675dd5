import process from "node:process";
import { FOLDER_VARIABLES } from "../../std/user_folder.ts";
import type { DeviceDescription, DeviceGrants } from "../devices.ts";
import { cpuFlags, instructionClass, threadCount } from "../numerics.ts";
import { findTorch, TORCH_VERSION, torchInstallation } from "./installation.ts";

/** Descriptions of device `torch` that do not load PyTorch. */

export function describeTorch(threads: number = navigator.hardwareConcurrency): DeviceDescription {
  const name = "torch";
  const found = findTorch();
  if ("reason" in found) return { name, available: false, numerics: undefined, ...found };
  const reason = `PyTorch ${TORCH_VERSION}'s kernels on the CPU, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  return { name, available: true, reason, numerics: torchNumerics(threads) };
}

/** Returns everything that a process needs for the device if it is given the numerics. */
export function torchGrants(): DeviceGrants {
  return { ffi: [torchInstallation().folder], env: FOLDER_VARIABLES };
}

/** Returns the numerics: PyTorch's version, the instruction-set class of its kernels, and the threads that sum. */
export function torchNumerics(threads: number = navigator.hardwareConcurrency): string {
  return `torch-cpu/${TORCH_VERSION}/${instructionClass(process.arch, cpuFlags())}/${threadCount(threads)}`;
}
