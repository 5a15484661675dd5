import { readdirSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { findTorch, TORCH_VERSION, torchInstallation } from "../../science/tensor/torch/installation.ts";
import { cardNumerics, troubleWithCard } from "../../science/tensor/torch/describe.ts";
import { setUp, type SetupOptions } from "./in_place.ts";
import pinned from "./pinned.json" with { type: "json" };
import { PLATFORM, type WheelSet, wheelsFor } from "./wheels.ts";

const ENGINE = `PyTorch ${TORCH_VERSION}`;

/**
 * Makes device `torch` usable on this machine.
 * @throws SetupFailure
 */
export async function setUpTorch({ gpu, ...options }: SetupOptions & { readonly gpu: boolean }): Promise<void> {
  await setUp({
    engine: ENGINE,
    installation: torchInstallation(gpu),
    isPresent: () => "folder" in findTorch(gpu),
    device: "torch",
    tried: {
      name: "torch",
      ...gpu && troubleWithCard() === undefined ? { numerics: cardNumerics(), card: true } : { numerics: "torch" },
    },
    wheels: torchWheels(gpu),
    async make(staged, fetch) {
      await fetch(staged);
      return { torch: TORCH_VERSION, files: sizesIn(staged) };
    },
  }, options);
}

/** Returns the size of each file under a folder, by its path in the folder. */
function sizesIn(folder: string): Record<string, number> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(files.map(({ parentPath, name }) => {
    const path = join(parentPath, name);
    return [relative(folder, path).replaceAll(sep, "/"), statSync(path).size];
  }));
}

const CUDA_FILES = new RegExp([
  String.raw`^torch/lib/lib(?!shm\.|.*(linalg|python|global_deps))[^/]+\.so[.\d]*$`,
  String.raw`^nvidia/\w+/lib/lib[^/]+\.so[.\d]*$`,
  String.raw`^[^/]+\.dist-info/.*(LICENSE|License|NOTICE|METADATA)`,
].join("|"));

const FILES = new RegExp([
  // All libraries but those for cards, for Python, and for sharing memory between its processes.
  String.raw`^torch/lib/lib(?!.*(cuda|nvrtc|nvshmem|python|shm|global_deps))[^/]+\.(so|dylib)[.\d]*$`,
  String.raw`^nvidia/cu13/lib/lib(cudart|cupti)\.so\.13$`,
  String.raw`^[^/]+\.dist-info/.*(LICENSE|NOTICE|METADATA)`,
].join("|"));

/**
 * Returns the wheels for Python 3.12: the libraries do not depend on its version. On Linux the library for the CPU
 * wants two of CUDA's as well; with `gpu` there are all of CUDA 13's that PyTorch's are linked with, as pip resolves
 * them. Those for Linux on x86-64 alone have been tried, and none on a card.
 * @throws SetupFailure for a platform without wheels.
 */
export function torchWheels(gpu = false, platform = PLATFORM): WheelSet {
  const wheels = wheelsFor(platform, ENGINE, pinned.wheels[gpu ? "torch-gpu" : "torch"]);
  return { wheels, files: gpu ? CUDA_FILES : FILES, unpackedBytes: gpu ? 4_000_000_000 : 480_000_000 };
}
