import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** What the Linux driver says of NVIDIA cards, without loading CUDA. */

/** Whether a card is visible to this process, in a container too. */
export function hasNvidiaGpu(devices = "/dev"): boolean {
  return list(devices).some((name) => /^nvidia\d+$/.test(name));
}

/**
 * Models of the cards, each once, in letters, digits and hyphens, e.g. `NVIDIA-H100-80GB-HBM3`; `nvidia` where the driver's folder
 * is not to be seen.
 */
export function nvidiaModels(folder = "/proc/driver/nvidia/gpus"): string {
  const models = list(folder).map((card) => {
    const text = readFileSync(join(folder, card, "information"), "utf8");
    return /^Model:\s*(.+)$/m.exec(text)?.[1]?.trim().replaceAll(/[^\w.]+/g, "-") ?? "nvidia";
  });
  return models.length === 0 ? "nvidia" : [...new Set(models)].sort().join("+");
}

/** How NVIDIA's libraries multiply float32 matrices: by default they may round their entries to TensorFloat-32. */
export function nvidiaPrecision(): "float32" | "tf32" {
  return process.env["NVIDIA_TF32_OVERRIDE"] === "0" ? "float32" : "tf32";
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // No driver, or not Linux.
  }
}
