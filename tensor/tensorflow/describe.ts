import process from "node:process";
import type { DeviceDescription, Grants } from "../devices.ts";
import { cpuFlags, instructionClass, threadCount } from "../numerics.ts";
import { tensorflowVariables } from "./environment.ts";
import { hasNvidiaGpu, nvidiaModels, nvidiaPrecision } from "./gpus.ts";
import { CACHE_VARIABLES, findInstallation, type Installation, setupCommand, tensorflowCache } from "./installation.ts";

/** What can be said about the devices `tensorflow` and `tensorflow-gpu` without loading TensorFlow. */

/** @param threads Of the device that would be opened; default: all logical cores. */
export function describeTensorflow(gpu: boolean, threads?: number): DeviceDescription {
  const name = gpu ? "tensorflow-gpu" : "tensorflow";
  // Said first, because setting TensorFlow up would not help.
  if (gpu && !hasNvidiaGpu()) {
    return { name, available: false, reason: "no NVIDIA GPU is visible", numerics: undefined };
  }
  const installation = findInstallation(gpu);
  if (installation === undefined) {
    return { name, available: false, reason: "not set up", numerics: undefined, fix: setupCommand(gpu) };
  }
  const engine = `TensorFlow ${installation.tensorflow}`;
  const reason = `${engine} on the ${gpu ? "GPU" : "CPU"}, op by op`;
  return { name, available: true, reason, numerics: tensorflowNumerics(installation, threads), card: gpu };
}

/** Folders and variables for a worker, as Deno's `--allow-read`, `--allow-ffi` and `--allow-env` take them. */
export function tensorflowGrants(gpu: boolean): Grants {
  const installation = findInstallation(gpu);
  const env = [...CACHE_VARIABLES, ...tensorflowVariables(gpu)];
  return installation === undefined ? { env } : { read: [tensorflowCache()], ffi: [installation.folder], env };
}

/**
 * What decides the rounding: TensorFlow's version, and the class of instruction set of its CPU kernels (which reads
 * `/proc/cpuinfo`, see `onnxNumerics`) and its threads, over which they divide sums; or the models of the GPUs and
 * whether TensorFloat-32 may stand for float32.
 */
export function tensorflowNumerics(
  { gpu, tensorflow }: Installation,
  threads: number = navigator.hardwareConcurrency,
): string {
  if (!gpu) {
    const kernels = instructionClass(process.arch, cpuFlags());
    return `tensorflow-cpu/${tensorflow}/${kernels}/${threadCount(threads)}`;
  }
  return `tensorflow-gpu/${tensorflow}/${nvidiaModels()}/${nvidiaPrecision()}`;
}
