import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** What Linux says of GPUs, without loading a driver. Every `root` is the root folder of the system; tests have their own. */

/** The first driver that runs CUDA 12, which the wheels are built for. */
export const OLDEST_DRIVER = 525;

/** A card that may be taken, and its driver. */
export type NvidiaCard = NonNullable<ReturnType<typeof findNvidiaCard>>;

/**
 * Whether a GPU may be here. On Linux its driver puts a node under `/dev`: DRM render nodes, NVIDIA's own,
 * or that of Windows' subsystem for Linux. Elsewhere nothing so cheap tells, so the answer is yes.
 */
export function mayHaveGpu(): boolean {
  if (process.platform !== "linux") return true;
  return existsSync("/dev/dxg") || list("/dev/dri").some((name) => /^renderD\d+$/.test(name)) ||
    findNvidiaCard()?.driver !== undefined;
}

/**
 * The NVIDIA cards that are visible to this process, as one.
 *
 * @returns `name` as its driver calls it, e.g. `NVIDIA H100 80GB HBM3`, else by its number in the PCI registry; `driver`,
 *     the version of its driver, or that it is Windows'; undefined where it has none
 */
export function findNvidiaCard(root = "/") {
  if (list(join(root, "dev")).some((name) => /^nvidia\d+$/.test(name))) {
    return { name: modelNames(root).join(", ") || "an NVIDIA GPU", driver: nvidiaDriver(root) };
  }
  // Windows shows cards of all makes as one node; the library of the driver is there for NVIDIA's alone.
  if (existsSync(join(root, "dev/dxg")) && existsSync(join(root, "usr/lib/wsl/lib/libcuda.so.1"))) {
    return { name: "an NVIDIA GPU", driver: "of Windows" };
  }
  for (const slot of list(join(root, "sys/bus/pci/devices"))) {
    const read = (name: string) => readText(join(root, "sys/bus/pci/devices", slot, name))?.trim() ?? "";
    // Class 3 is display; a card has sound and USB of its own beside it.
    if (read("vendor") === "0x10de" && read("class").startsWith("0x03")) {
      return { name: `NVIDIA GPU 10de:${read("device").slice(2)}`, driver: undefined };
    }
  }
  return undefined;
}

/** Version of the driver, e.g. `570.86.15`; `unknown` where its file is not to be seen. */
export function nvidiaDriver(root = "/"): string {
  return / (\d+\.\d+(?:\.\d+)?) /.exec(readText(join(root, "proc/driver/nvidia/version")) ?? "")?.[1] ?? "unknown";
}

/**
 * Models of the cards, each once, in letters, digits and hyphens, e.g. `NVIDIA-H100-80GB-HBM3`; `nvidia` where the driver's folder
 * is not to be seen.
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

const list = (folder: string) => look(() => readdirSync(folder)) ?? [];
const readText = (path: string) => look(() => readFileSync(path, "utf8"));

/** What is there; undefined where nothing is: no driver, or not Linux. */
function look<T>(at: () => T): T | undefined {
  try {
    return at();
  } catch {
    return undefined;
  }
}
