import { fileURLToPath } from "node:url";

/** The version of onnxruntime-node in use; a test compares it, so that asking for it need not load the package. */
export const ONNXRUNTIME_VERSION = "1.30.0";

/** Folder of onnxruntime-node, without loading it; undefined where it cannot be told, as before its first download. */
export function onnxPackageFolder(): string | undefined {
  const module = import.meta.resolve("onnxruntime-node");
  return module.startsWith("file:") ? fileURLToPath(new URL("../", module)) : undefined;
}

/** A process needs no more than this for device `onnx`, when it is given the numerics. */
export function onnxGrants(): { ffi: string[] } {
  const folder = onnxPackageFolder();
  return { ffi: folder === undefined ? [] : [folder] };
}
