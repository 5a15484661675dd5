import * as tf from "@tensorflow/tfjs-core";
import { BackendWasm, getThreadsCount, setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import type { Device, DeviceOptions } from "../device.ts";
import { openEagerDevice } from "../eager_device.ts";
import { checkThreads } from "../numerics.ts";
import { ProcessEngine } from "../process_engine.ts";
import { MAX_THREADS, wasmNumerics } from "./describe.ts";
import { registerKernels } from "./kernels/register.ts";
import { type RunningEngine, startModule } from "./module.ts";

/** The name under which the package registers its kernels. */
const BACKEND = "wasm";

// Importing the package registers its own way to start the engine, which TF.js would prefer over any other backend.
tf.removeBackend(BACKEND);

export interface WasmDevice extends Device {
  /** As many as it was asked for, unless it has fewer or they cannot be started. */
  readonly threads: number;
}

/**
 * TF.js's WebAssembly backend, which runs wherever Deno does, with kernels of our own where its are missing or slow. It
 * needs the permissions of `wasmGrants()`. Dispose of it: its threads keep the process alive.
 *
 * Results do not depend on the number of threads, nor on the processor.
 *
 * @param options.threads default: all logical cores, at most 8. More are cut to 8; when threads cannot be started, the
 *     device has one.
 * @throws Error when the number of threads is none, WebAssembly lacks SIMD, or a device with another number is open.
 */
export async function openWasmDevice(options: DeviceOptions = {}): Promise<WasmDevice> {
  const wanted = options.threads ?? Math.min(navigator.hardwareConcurrency, MAX_THREADS);
  checkThreads("wasm", wanted);
  const numerics = options.numerics ?? wasmNumerics();
  const { threads, check } = await acquireBackend(wanted);
  const shared = { check, release: () => engine.release() };
  return { ...await openEagerDevice({ name: "wasm", numerics, backend: BACKEND, shared }), threads };
}

/** How the engine runs. */
type EngineState = Pick<RunningEngine, "check"> & Pick<WasmDevice, "threads">;

/**
 * TF.js's kernels keep functions of the engine that was started last, so there can only be one at a time. Its threads are
 * workers, without whose end the process could not end.
 */
const engine = new ProcessEngine(() => start(wanted), () => tf.removeBackend(BACKEND));
let wanted = 1;

/**
 * Start the engine and make it TF.js's backend `wasm`, without selecting it. Where its threads cannot be started it has
 * one.
 *
 * @throws Error when it runs with another number of threads, or cannot be started.
 */
async function acquireBackend(threads: number): Promise<EngineState> {
  if (engine.isOpen && wanted !== threads) {
    throw new Error(
      `Cannot open device "wasm": got threads ${threads}, but it is open with ${wanted}, and a process has one ` +
        `engine. Fix: dispose of the other device first, or open both with the same number.`,
    );
  }
  wanted = threads;
  return await engine.acquire();
}

async function start(wanted: number): Promise<EngineState> {
  registerKernels(BACKEND);
  const { threads, module, check } = await startWithThreads(wanted);
  // Its types want all of an Emscripten module.
  const wasm = module as unknown as BackendWasm["wasm"];
  setThreadsCount(threads);
  // Lowest priority: TF.js must not choose it for whoever does not ask for it.
  tf.registerBackend(BACKEND, () => new BackendWasm(wasm), 0);
  tf.findBackend(BACKEND);
  if (threads > 1 && getThreadsCount() !== threads) {
    throw new Error(`Cannot happen: asked the engine for ${threads} threads, got ${getThreadsCount()}.`);
  }
  return { threads, check };
}

async function startWithThreads(wanted: number): Promise<RunningEngine & Pick<WasmDevice, "threads">> {
  const threads = Math.min(wanted, MAX_THREADS);
  try {
    return { ...await startModule(threads), threads };
  } catch (error) {
    if (threads === 1) throw error;
    return { ...await startModule(1), threads: 1 };
  }
}
