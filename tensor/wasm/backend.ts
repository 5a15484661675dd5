import * as tf from "@tensorflow/tfjs-core";
import { BackendWasm, getThreadsCount, setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import { ProcessEngine } from "../process_engine.ts";
import { registerKernels } from "./kernels/register.ts";
import { type RunningEngine, startModule } from "./module.ts";
import { MAX_THREADS } from "./describe.ts";

/** The name under which the package registers its kernels. */
export const BACKEND = "wasm";

// Importing the package registers its own way to start the engine, which TF.js would prefer over any other backend.
tf.removeBackend(BACKEND);

/** How the engine runs. */
export interface EngineState {
  readonly threads: number;
  /** Why it has fewer threads than were asked for; undefined when it does not. */
  readonly fallback: string | undefined;
  /** @throws Error when the engine has complained. */
  check(): void;
}

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
export async function acquireBackend(threads: number): Promise<EngineState> {
  if (engine.isOpen && wanted !== threads) {
    throw new Error(
      `Cannot open device "wasm": got threads ${threads}, but it is open with ${wanted}, and a process has one ` +
        `engine. Fix: dispose of the other device first, or open both with the same number.`,
    );
  }
  wanted = threads;
  return await engine.acquire();
}

export const releaseBackend = () => engine.release();

async function start(wanted: number): Promise<EngineState> {
  registerKernels(BACKEND);
  const { threads, fallback, module, check } = await startWithThreads(wanted);
  // Its types want all of an Emscripten module.
  const wasm = module as unknown as BackendWasm["wasm"];
  setThreadsCount(threads);
  // Lowest priority: TF.js must not choose it for whoever does not ask for it.
  tf.registerBackend(BACKEND, () => new BackendWasm(wasm), 0);
  tf.findBackend(BACKEND);
  if (threads > 1 && getThreadsCount() !== threads) {
    throw new Error(`Cannot happen: asked the engine for ${threads} threads, got ${getThreadsCount()}.`);
  }
  return { threads, fallback, check };
}

async function startWithThreads(
  wanted: number,
): Promise<RunningEngine & { readonly threads: number; readonly fallback: string | undefined }> {
  const threads = Math.min(wanted, MAX_THREADS);
  try {
    const fallback = threads < wanted ? `the engine has at most ${MAX_THREADS} threads` : undefined;
    return { ...await startModule(threads), threads, fallback };
  } catch (error) {
    if (threads === 1) throw error;
    const fallback = `its threads cannot be started: ${error instanceof Error ? error.message : error}`;
    return { ...await startModule(1), threads: 1, fallback };
  }
}
