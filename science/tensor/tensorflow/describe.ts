import process from "node:process";
import type { DeviceDescription, DeviceGrants, DeviceTrouble } from "../devices.ts";
import { cpuFlags, instructionClass, threadCount } from "../numerics.ts";
import { findInstallation, setupCommand, tensorflowCache, tensorflowVariables } from "./installation.ts";
import type { Installation } from "./installation.ts";
import { findNvidiaCard, type NvidiaCard, nvidiaModels, OLDEST_DRIVER } from "../gpus.ts";
import { FOLDER_VARIABLES } from "../../../std/user_folder.ts";

/** Descriptions of the devices `tensorflow` and `tensorflow-gpu` that do not load TensorFlow. */

/**
 * Describes a device.
 *
 * @param threads threads of the device that would be opened; default: all logical cores
 * @param root the system's root folder, or one that a test has made
 */
export function describeTensorflow(gpu: boolean, threads?: number, root?: string): DeviceDescription {
  const name = gpu ? "tensorflow-gpu" : "tensorflow";
  const absent = (trouble: DeviceTrouble, card?: NvidiaCard): DeviceDescription => ({
    name,
    available: false,
    numerics: undefined,
    ...trouble,
    ...(card === undefined ? {} : { seen: card.name }),
  });
  const installation = findInstallation(gpu);
  const card = gpu ? findNvidiaCard(root) : undefined;
  // Checked first, because setting up TensorFlow would not help.
  if (gpu) {
    if (card === undefined) return absent({ reason: "no NVIDIA GPU is visible" });
    if (/^(-1)?$/.test(process.env["CUDA_VISIBLE_DEVICES"] ?? "all")) {
      return absent({ reason: "CUDA_VISIBLE_DEVICES hides all GPUs" });
    }
    const trouble = troubleWithDriver(card, installation);
    if (trouble !== undefined) return absent(trouble, card);
    if (process.arch !== "x64") return absent({ reason: `there is no TensorFlow for it on ${process.arch}` }, card);
  }
  if (installation === undefined) return absent({ reason: "not set up", fix: setupCommand(gpu) }, card);
  const engine = `TensorFlow ${installation.tensorflow}`;
  const reason = `${engine} on the ${gpu ? "GPU" : "CPU"}, op by op`;
  const numerics = tensorflowNumerics(installation, threads);
  return { name, available: true, reason, numerics, card: gpu, ...(card === undefined ? {} : { seen: card.name }) };
}

function troubleWithDriver({ driver }: NvidiaCard, installation?: Installation): DeviceTrouble | undefined {
  if (driver === undefined) {
    const fix = `install NVIDIA's driver, ${OLDEST_DRIVER} or newer, then: ${setupCommand(true)}`;
    return { reason: "it has no driver", fix };
  }
  // If the version is unknown, a trial will show the problem.
  if (!(parseInt(driver) < OLDEST_DRIVER)) return undefined;
  const then = installation === undefined ? `, then: ${setupCommand(true)}` : "";
  const fix = `install NVIDIA's driver ${OLDEST_DRIVER} or newer${then}`;
  return { reason: `its driver, ${driver}, is too old for CUDA 12`, fix };
}

/** Explains why TensorFlow could not compute on a card, from its output. */
export function explainGpuFailure(said: string): DeviceTrouble {
  if (/OUT_OF_MEMORY|out of memory|RESOURCE_EXHAUSTED|busy or unavailable|DEVICE_UNAVAILABLE/i.test(said)) {
    const fix =
      "end that process or wait for it (nvidia-smi lists it), or choose another GPU with CUDA_VISIBLE_DEVICES";
    return { reason: "another process is using it or its memory", fix, passing: true };
  }
  if (/insufficient|DRIVER_MISMATCH|UNSUPPORTED_PTX|unsupported toolchain/i.test(said)) {
    return { reason: "its driver is too old for this TensorFlow's CUDA", fix: "install a newer NVIDIA driver" };
  }
  if (/cannot dlopen|could not load dynamic library|cannot open shared object|no kernel image/i.test(said)) {
    const reason = "TensorFlow's libraries are for another CUDA version than the GPU or its driver needs";
    return { reason, fix: `${setupCommand(true)} --force` };
  }
  const reason = `it does not compute: ${said.split("\n").at(-1) || "its process ended without a message"}`;
  return { reason, fix: "check that nvidia-smi shows the GPU, then run `deno task doctor` again" };
}

/** Returns folders and variables for a worker, as Deno's `--allow-read`, `--allow-ffi` and `--allow-env` take them. */
export function tensorflowGrants(gpu: boolean): DeviceGrants {
  const installation = findInstallation(gpu);
  const env = [...FOLDER_VARIABLES, ...tensorflowVariables(gpu)];
  return installation === undefined ? { env } : { read: [tensorflowCache()], ffi: [installation.folder], env };
}

/**
 * Returns the numerics: TensorFlow's version, and the instruction-set class of its CPU kernels (which reads
 * `/proc/cpuinfo`, see `onnxNumerics`) and its threads, over which they divide sums; or the models of the GPUs, and if
 * TensorFloat-32 may replace float32.
 */
export function tensorflowNumerics({ gpu, tensorflow }: Installation, threads: number = navigator.hardwareConcurrency) {
  if (!gpu) {
    const kernels = instructionClass(process.arch, cpuFlags());
    return `tensorflow-cpu/${tensorflow}/${kernels}/${threadCount(threads)}`;
  }
  // NVIDIA's libraries may round the entries of float32 matrices to TensorFloat-32 unless they are told not to.
  const precision = process.env["NVIDIA_TF32_OVERRIDE"] === "0" ? "float32" : "tf32";
  return `tensorflow-gpu/${tensorflow}/${nvidiaModels()}/${precision}`;
}
