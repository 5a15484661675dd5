import { fileURLToPath } from "node:url";

/** The version of onnxruntime-node in use; a test compares it, so that asking for it need not load the package. */
export const ONNXRUNTIME_VERSION = "1.30.0";

/**
 * Folder of the installed onnxruntime-node, without loading it. `--allow-ffi=<folder>` is all that a process needs to
 * use device `onnx` when it is told the numerics.
 */
export function onnxPackageFolder(): string {
  return fileURLToPath(new URL("../", import.meta.resolve("onnxruntime-node")));
}
