import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { userFolder } from "../../../std/user_folder.ts";

/** The folder of PyTorch's libraries once they are set up. */

/** The version that the table of operations is written for: nobody promises that the next has the same schemas. */
export const TORCH_VERSION = "2.15.0";

export const SETUP_TORCH = "deno task setup:torch";

/**
 * Returns where PyTorch's libraries go, in `torch/lib/` and `nvidia/`, since they find each other in the layout of pip,
 * beside `setup.json`, which lists the files. Their version is in the name, so another noiseline never meets them.
 * @param gpu true for those with CUDA's
 */
export function torchInstallation(gpu = false): { readonly folder: string } {
  return { folder: join(userFolder("torch"), `${gpu ? "gpu" : "cpu"}-torch-${TORCH_VERSION}`) };
}

/** Returns the library to load, through which all others are found. */
export function libraryIn(folder: string, onCard = false): string {
  const name = `libtorch_${onCard ? "cuda" : "cpu"}.${process.platform === "darwin" ? "dylib" : "so"}`;
  return join(folder, "torch", "lib", name);
}

/** Returns the installation, or why it cannot be used: a missing or shortened file is found before it is loaded. */
export function findTorch(gpu = false) {
  const installation = torchInstallation(gpu);
  const { folder } = installation;
  const setup = `${SETUP_TORCH}${gpu ? " --gpu" : ""}`;
  if (!existsSync(folder)) return { reason: "not set up", fix: setup };
  const broken = (problem: string) => ({ reason: `its set-up is incomplete: ${problem}`, fix: setup });
  const record = recordIn(folder);
  if (record === undefined) return broken(`setup.json is missing, damaged or not of PyTorch ${TORCH_VERSION}`);
  for (const [file, bytes] of Object.entries(record.files)) {
    const got = statSync(join(folder, file), { throwIfNoEntry: false })?.size;
    if (got !== bytes) return broken(`${file} ${got === undefined ? "is missing" : `has ${got} bytes, not ${bytes}`}`);
  }
  return installation;
}

function recordIn(folder: string): { readonly files: Readonly<Record<string, number>> } | undefined {
  try {
    const record = JSON.parse(readFileSync(join(folder, "setup.json"), "utf8"));
    return typeof record.files === "object" && record.torch === TORCH_VERSION ? record : undefined;
  } catch {
    return undefined;
  }
}
