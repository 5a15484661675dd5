import { fileURLToPath } from "node:url";

/** The version of @tensorflow/tfjs-backend-wasm in use; a test compares it, so that asking for it loads nothing. */
export const TFJS_WASM_VERSION = "4.22.0";

/** The engine's thread pool has room for seven workers beside the thread that calls. */
export const MAX_THREADS = 8;

/** Folder of the package's WebAssembly binaries and of the scripts that start them, without loading any. */
export function binariesFolder(): string {
  return fileURLToPath(new URL("../wasm-out/", import.meta.resolve("@tensorflow/tfjs-backend-wasm")));
}
