import * as tf from "@tensorflow/tfjs-core";
import { BackendWasm, setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import type { Device, DeviceOptions } from "../device.ts";
import { openEagerDevice, ProcessEngine } from "../eager_device.ts";
import { checkThreads } from "../numerics.ts";
import { MAX_THREADS, wasmNumerics } from "./describe.ts";
import { BACKEND } from "./engine.ts";
import "./kernels/register.ts";
import { startModule } from "./module.ts";

// Importing the package registers its own way to start the engine, which TF.js would prefer over any other backend.
tf.removeBackend(BACKEND);

/**
 * Opens TF.js's WebAssembly backend, which runs wherever Deno does, with our own kernels where the backend's are
 * missing or slow. It needs the permissions of `wasmGrants()`. Dispose of it: its threads keep the process alive.
 *
 * Results do not depend on the number of threads, nor on the processor.
 *
 * @param options.threads default: all logical cores, at most 8. A larger number is reduced to 8; if threads cannot be
 * started, the device has one.
 * @throws Error when the number of threads is not a positive integer, WebAssembly lacks SIMD, or a device with another
 * number is open.
 */
export async function openWasmDevice(options: DeviceOptions = {}): Promise<Device> {
  const threads = options.threads ?? Math.min(navigator.hardwareConcurrency, MAX_THREADS);
  checkThreads("wasm", threads);
  if (engine.isOpen && wanted !== threads) {
    throw new Error(
      `Cannot open device "wasm": got threads ${threads}, but it is open with ${wanted}, and a process has one ` +
        `engine. Fix: dispose of the other device first, or open both with the same number.`,
    );
  }
  wanted = threads;
  const { check } = await engine.acquire();
  const shared = { check, release: () => engine.release() };
  const numerics = options.numerics ?? wasmNumerics();
  return await openEagerDevice({ name: "wasm", numerics, backend: BACKEND, shared });
}

/**
 * TF.js's kernels keep functions of the engine that was started last, so there can only be one at a time. Its threads
 * are workers, which would keep the process alive if they were not ended.
 */
const engine = new ProcessEngine(() => start(wanted), () => tf.removeBackend(BACKEND));
let wanted = 1;

/** Starts the engine and makes it TF.js's backend `wasm`, without selecting it. */
async function start(wanted: number) {
  // With one thread if its threads cannot be started.
  const running = await startModule(Math.min(wanted, MAX_THREADS)).catch((error) =>
    wanted > 1 ? startModule(1) : Promise.reject(error)
  );
  // The backend's type demands a complete Emscripten module.
  const wasm = running.module as unknown as BackendWasm["wasm"];
  setThreadsCount(running.threads);
  // Lowest priority: TF.js must not choose this backend unless it is asked for.
  tf.registerBackend(BACKEND, () => new BackendWasm(wasm), 0);
  tf.findBackend(BACKEND);
  return running;
}
