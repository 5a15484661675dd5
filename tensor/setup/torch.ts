import { readdirSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { findTorch, TORCH_VERSION, torchInstallation } from "../torch/installation.ts";
import { setUp, type SetupOptions } from "./in_place.ts";
import { PLATFORM, type WheelSet, wheelsFor } from "./wheels.ts";

const ENGINE = `PyTorch ${TORCH_VERSION}`;

/**
 * Makes device `torch` usable on this machine.
 * @throws SetupFailure
 */
export async function setUpTorch(options: SetupOptions): Promise<void> {
  await setUp({
    engine: ENGINE,
    installation: torchInstallation(),
    isPresent: () => "folder" in findTorch(),
    device: "torch",
    tried: { name: "torch", numerics: "torch" },
    wheels: torchWheels(),
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

/**
 * Wheels by platform, of those for Python 3.12: the libraries do not depend on its version. On Linux the library for
 * the CPU wants two of CUDA's as well, from wheels of the versions that torch names; nothing of them runs without a
 * card. Only the wheels for Linux on x86-64 have been tried.
 */
const WHEELS: Readonly<Record<string, string>> = {
  "linux-x64": `
torch 2.15.0 539172785 6d8c86f4e33a9f12a58149bd9b0d64351632b8eb44479be8ff85e5389932dd79
nvidia-cuda-runtime 13.2.86 2323576 3498247680dfddce31bad102af7e3e26fc795342a3cac64722bb0fa95e7f60f0
nvidia-cuda-cupti 13.2.86 11988600 8fa29f15dd8336181f961764d9d95236fc6b931dd0c8fcf8cd70aab0c310b586`,
  "linux-arm64": `
torch 2.15.0 483664949 9e51cf9460c5441dcd2a4f31ece207e35ea7c3d2535be0f929cca4944e2eeb18
nvidia-cuda-runtime 13.2.86 2341433 37844957894bfdecf90243568d21a2cb251b66106915b71459a23c8e6ef2da69
nvidia-cuda-cupti 13.2.86 11760263 d9a5c133f73fcb9013f3ada0da6fb54d4117618d81f3f5a0419417ea6ee829d4`,
  "darwin-arm64": `
torch 2.15.0 138558517 593e5fd0c204284890d1c3dff643be34e549e1d24523e13402510f960d4da438`,
};

const FILES = new RegExp([
  // All libraries but those for cards, for Python, and for sharing memory between its processes.
  String.raw`^torch/lib/lib(?!.*(cuda|nvrtc|nvshmem|python|shm|global_deps))[^/]+\.(so|dylib)[.\d]*$`,
  String.raw`^nvidia/cu13/lib/lib(cudart|cupti)\.so\.13$`,
  String.raw`^[^/]+\.dist-info/.*(LICENSE|NOTICE|METADATA)`,
].join("|"));

/** @throws SetupFailure for a platform without wheels. */
export function torchWheels(platform = PLATFORM): WheelSet {
  const wheels = wheelsFor(platform, ENGINE, WHEELS);
  return { wheels, files: FILES, unpackedBytes: 480_000_000 };
}
