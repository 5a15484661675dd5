import * as tf from "@tensorflow/tfjs-core";
import { BackendWasm, getThreadsCount, setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import { registerKernels } from "./kernels/register.ts";
import { type RunningEngine, startModule } from "./module.ts";
import { MAX_THREADS } from "./package.ts";

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

interface Shared {
  readonly wanted: number;
  readonly state: Promise<EngineState>;
  users: number;
}

/** TF.js's kernels keep functions of the engine that was started last, so there can only be one at a time. */
let shared: Shared | undefined;

/**
 * Start the engine and make it TF.js's backend `wasm`, without selecting it. Devices that are open at the same time share
 * it; each must let go of it once. Where its threads cannot be started it has one.
 *
 * @throws Error when it runs with another number of threads, or cannot be started.
 */
export async function acquireBackend(threads: number): Promise<EngineState> {
  if (shared !== undefined && shared.wanted !== threads) {
    throw new Error(
      `Cannot open device "wasm": got threads ${threads}, but it is open with ${shared.wanted}, and a process has one ` +
        `engine. Fix: dispose of the other device first, or open both with the same number.`,
    );
  }
  shared ??= { wanted: threads, state: start(threads), users: 0 };
  const mine = shared;
  mine.users++;
  try {
    return await mine.state;
  } catch (error) {
    if (shared === mine) shared = undefined;
    throw error;
  }
}

/** Let go of the engine; the last one to do so ends it and its threads, without which the process could not end. */
export function releaseBackend(): void {
  if (shared === undefined || --shared.users > 0) return;
  shared = undefined;
  tf.removeBackend(BACKEND);
}

async function start(wanted: number): Promise<EngineState> {
  registerKernels(BACKEND);
  const { threads, fallback, module, check } = await startWithThreads(wanted);
  // Its types want all of an Emscripten module.
  const engine = module as unknown as BackendWasm["wasm"];
  setThreadsCount(threads);
  // Lowest priority: TF.js must not choose it for whoever does not ask for it.
  tf.registerBackend(BACKEND, () => new BackendWasm(engine), 0);
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
