/** The name under which TF.js's package registers its kernels. */
export const BACKEND = "wasm";

/** A function of the engine. Arrays are copied to its stack for the duration of the call. */
type NativeFunction = (...values: readonly (number | boolean | Uint8Array)[]) => number;

/** The engine: the parts of the Emscripten module that TF.js's backend and our kernels use. */
export interface WasmModule {
  cwrap(name: string, returns: "number" | null, parameters: readonly ("number" | "array")[]): NativeFunction;
  /** Returns an address, or 0 when memory has run out. */
  _malloc(size: number): number;
  _free(address: number): void;
  /** The memory; replaced whenever it grows. */
  readonly HEAPU8: Uint8Array<ArrayBufferLike>;
  tfjs: Record<string, NativeFunction>;
}

/**
 * Adds to an Emscripten module what TF.js's loader adds, and a check for lack of memory that the loader does not have.
 */
export function connect(module: WasmModule): WasmModule {
  // Emscripten's first call replaces `_malloc` with the binary's function, and would otherwise replace ours.
  module._free(module._malloc(1));
  const allocate = module._malloc;
  module._malloc = (size) => {
    const address = allocate(size);
    // Address 0 is writable in WebAssembly: without this check tensors would overwrite the engine's own data.
    if (address === 0) {
      fail(`out of memory for ${size} bytes; a WebAssembly program has 4 GiB. Fix: use a smaller batch or network.`);
    }
    return address;
  };
  const { cwrap } = module;
  module.tfjs = {
    init: cwrap("init", null, []),
    initWithThreadsCount: cwrap("init_with_threads_count", null, ["number"]),
    getThreadsCount: cwrap("get_threads_count", "number", []),
    registerTensor: cwrap("register_tensor", null, ["number", "number", "number"]),
    disposeData: cwrap("dispose_data", null, ["number"]),
    dispose: cwrap("dispose", null, []),
  };
  return module;
}

/** @throws Error of the device */
export function fail(message: string): never {
  throw new Error(`Device "wasm": ${message}`);
}
