import { fileURLToPath } from "node:url";
import type { DeviceDescription } from "../devices.ts";

/**
 * The version of @tensorflow/tfjs-backend-wasm in use. A constant, so that nothing need be loaded to know it; a test
 * compares it.
 */
export const TFJS_WASM_VERSION = "4.22.0";

/** The engine's thread pool has room for seven workers besides the calling thread. */
export const MAX_THREADS = 8;

/** Returns the folder of the package's WebAssembly binaries and of the scripts that start them, without loading any. */
export function binariesFolder(): string {
  // Publishing a package rewrites the address only if this call stands by itself.
  const module = import.meta.resolve("@tensorflow/tfjs-backend-wasm");
  return fileURLToPath(new URL("../wasm-out/", module));
}

/** A function that uses one instruction of WebAssembly SIMD, as in TF.js's own check. */
// deno-fmt-ignore
const SIMD_PROGRAM = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11,
);

/**
 * Describes device `wasm` on this machine, without loading it.
 * @param wanted number of threads that it would be opened with
 */
export function describeWasm(wanted: number = navigator.hardwareConcurrency): DeviceDescription {
  if (!WebAssembly.validate(SIMD_PROGRAM)) {
    const reason = "WebAssembly has no SIMD on this CPU";
    return { name: "wasm", available: false, reason, numerics: undefined };
  }
  const threads = Math.min(wanted, MAX_THREADS);
  const reason = `TF.js in WebAssembly, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  return { name: "wasm", available: true, reason, numerics: wasmNumerics() };
}

/**
 * Returns the numerics of device `wasm`. WebAssembly's arithmetic is the same on every processor, and the engine splits
 * work among threads without changing the order of any sum.
 */
export function wasmNumerics(): string {
  return `wasm/${TFJS_WASM_VERSION}/simd`;
}

/** Returns the permissions of a process that uses device `wasm`: folders to `--allow-read`. Threads need none. */
export function wasmGrants(): { read: string[] } {
  return { read: [binariesFolder()] };
}
