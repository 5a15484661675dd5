import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/**
 * Facts about GPUs from Linux, without loading a driver. Every `root` is the root folder of the system; tests have
 * their own.
 */

/** The first driver that runs CUDA 12, which the wheels are built for. */
export const OLDEST_DRIVER = 525;

/** An NVIDIA card, and its driver. */
export type NvidiaCard = NonNullable<ReturnType<typeof findNvidiaCard>>;

/**
 * True if there may be a GPU. On Linux a GPU's driver puts a node under `/dev`: DRM render nodes, NVIDIA's own, or that
 * of Windows Subsystem for Linux. On other systems there is no cheap test, so the answer is yes.
 */
export function mayHaveGpu(): boolean {
  if (process.platform !== "linux") return true;
  return existsSync("/dev/dxg") || list("/dev/dri").some((name) => /^renderD\d+$/.test(name)) ||
    findNvidiaCard()?.driver !== undefined;
}

/**
 * Finds the NVIDIA cards that are visible to this process, described as one.
 *
 * @returns `name` as the driver reports it, e.g. `NVIDIA H100 80GB HBM3`, else the number in the PCI registry;
 * `driver`, its version, or that it is that of Windows; undefined without a driver
 */
export function findNvidiaCard(root = "/") {
  if (list(join(root, "dev")).some((name) => /^nvidia\d+$/.test(name))) {
    return { name: modelNames(root).join(", ") || "an NVIDIA GPU", driver: nvidiaDriver(root) };
  }
  // Windows shows cards of all makes as one node; the driver's library is there only for NVIDIA cards.
  if (existsSync(join(root, "dev/dxg")) && existsSync(join(root, "usr/lib/wsl/lib/libcuda.so.1"))) {
    return { name: "an NVIDIA GPU", driver: "of Windows" };
  }
  for (const slot of list(join(root, "sys/bus/pci/devices"))) {
    const read = (name: string) => readText(join(root, "sys/bus/pci/devices", slot, name))?.trim() ?? "";
    // Class 3 is display; a card also has sound and USB devices.
    if (read("vendor") === "0x10de" && read("class").startsWith("0x03")) {
      return { name: `NVIDIA GPU 10de:${read("device").slice(2)}`, driver: undefined };
    }
  }
  return undefined;
}

/** Returns the driver's version, e.g. `570.86.15`; `unknown` if its file is not visible. */
export function nvidiaDriver(root = "/"): string {
  return / (\d+\.\d+(?:\.\d+)?) /.exec(readText(join(root, "proc/driver/nvidia/version")) ?? "")?.[1] ?? "unknown";
}

/**
 * Returns the models of the cards, each once, in letters, digits and hyphens, e.g. `NVIDIA-H100-80GB-HBM3`; `nvidia` if
 * the driver's folder is not visible.
 */
export function nvidiaModels(root = "/"): string {
  return modelNames(root).map((name) => name.replaceAll(/[^\w.]+/g, "-")).join("+") || "nvidia";
}

function modelNames(root: string): string[] {
  const folder = join(root, "proc/driver/nvidia/gpus");
  const names = list(folder).map((card) =>
    /^Model:\s*(.+)$/m.exec(readText(join(folder, card, "information")) ?? "")?.[1]?.trim() ?? "nvidia"
  );
  return [...new Set(names)].sort();
}

const list = (folder: string) => tryRead(() => readdirSync(folder)) ?? [];
const readText = (path: string) => tryRead(() => readFileSync(path, "utf8"));

/** Returns the result of a read; undefined if it fails: there is no driver, or this is not Linux. */
function tryRead<T>(at: () => T): T | undefined {
  try {
    return at();
  } catch {
    return undefined;
  }
}
