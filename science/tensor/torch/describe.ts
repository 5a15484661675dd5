import process from "node:process";
import { FOLDER_VARIABLES } from "../../../std/user_folder.ts";
import type { DeviceOptions, Precision } from "../device.ts";
import type { DeviceDescription, DeviceGrants } from "../devices.ts";
import { findNvidiaCard, nvidiaModels } from "../gpus.ts";
import { cpuFlags, instructionClass, threadCount } from "../numerics.ts";
import { findTorch, TORCH_VERSION, torchInstallation } from "./installation.ts";

/** Descriptions of device `torch` that do not load PyTorch. */

/**
 * Describes the device: on a card, once libraries for cards are set up and while one is visible; else on the processor.
 *
 * @param flags of the processor, as `cpuFlags` returns them; given by tests, as `root`, the system's root folder
 */
export function describeTorch(
  { threads = navigator.hardwareConcurrency, precision = "fp32" }: Pick<DeviceOptions, "threads" | "precision"> = {},
  flags: ReadonlySet<string> | undefined = cpuFlags(),
  root?: string,
): DeviceDescription {
  const name = "torch";
  const forCards = "folder" in findTorch(true);
  const trouble = forCards ? troubleWithCard(root) : undefined;
  if (forCards && trouble === undefined) {
    const reason = `PyTorch ${TORCH_VERSION}'s kernels on the GPU${precision === "bf16" ? ", products in bf16" : ""}`;
    return { name, available: true, reason, numerics: cardNumerics(precision, root), card: true };
  }
  if (precision === "bf16" && bfloat16Class(flags) === undefined) {
    const reason =
      "this processor has no instructions for bf16 (AVX-512-bf16 or AMX), which would take 4 times as long";
    return { name, available: false, numerics: undefined, reason, fix: "use precision fp32" };
  }
  const found = findTorch();
  if ("reason" in found) {
    const reason = trouble === undefined ? found.reason : `${trouble}, and for the processor it is ${found.reason}`;
    return { name, available: false, numerics: undefined, ...found, reason };
  }
  const kernels = `PyTorch ${TORCH_VERSION}'s kernels on the CPU, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  // `sse4a` is AMD's alone. Intel's processors multiply half as many numbers in bf16 as in float32 without AMX.
  const slower = bfloat16Class(flags) === "x86-avx512" && !flags!.has("sse4a");
  const rounding = `, products in bf16${slower ? ", which is slower than fp32 without AMX" : ""}`;
  const reason = `${kernels}${precision === "bf16" ? rounding : ""}${trouble === undefined ? "" : `; ${trouble}`}`;
  return { name, available: true, reason, numerics: torchNumerics(threads, precision, flags) };
}

/** The first driver that runs CUDA 13, which PyTorch's wheels are built for. */
const OLDEST_DRIVER = 580;

/** Returns the reason why PyTorch cannot compute on a card here, if there is one. */
export function troubleWithCard(root?: string): string | undefined {
  const { driver } = findNvidiaCard(root) ?? {};
  if (/^(-1)?$/.test(process.env["CUDA_VISIBLE_DEVICES"] ?? "all")) return "CUDA_VISIBLE_DEVICES hides all GPUs";
  if (driver === undefined) return "no NVIDIA GPU with a driver is visible";
  return parseInt(driver) < OLDEST_DRIVER ? `the GPU's driver, ${driver}, is too old for CUDA 13` : undefined;
}

/** Returns the numerics on a card: its model, and how its products are rounded. */
export function cardNumerics(precision: Precision = "fp32", root?: string): string {
  const products = process.env["NVIDIA_TF32_OVERRIDE"] === "0" ? "float32" : "tf32";
  return `${ON_CARD}${TORCH_VERSION}/${nvidiaModels(root)}/${products}${precision === "bf16" ? BFLOAT16 : ""}`;
}

const ON_CARD = "torch-cuda/";

/** True if a device with these numerics computes on a card. */
export const isOnCard = (numerics: string): boolean => numerics.startsWith(ON_CARD);

/** Settings that a card's libraries read when they are loaded, and that decide bytes. */
export const CARD_VARIABLES = ["CUBLAS_WORKSPACE_CONFIG", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"] as const;

/** Returns everything that a process needs for the device if it is given the numerics. */
export function torchGrants(): DeviceGrants {
  const folders = [true, false].map((gpu) => torchInstallation(gpu).folder);
  return { ffi: folders, env: [...FOLDER_VARIABLES, ...CARD_VARIABLES] };
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
export const roundsToBfloat16 = (numerics: string): boolean => /-bf16(\/|$)/.test(numerics);

function bfloat16Class(flags: ReadonlySet<string> | undefined): string | undefined {
  return flags?.has("amx_bf16") ? "x86-amx" : flags?.has("avx512_bf16") ? "x86-avx512" : undefined;
}
