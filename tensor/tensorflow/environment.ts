import { join } from "node:path";
import process from "node:process";
import { tensorflowCache } from "./installation.ts";

/** Through tfjs-node, TensorFlow can be configured only with environment variables that it reads while it is loaded. */

/** Variables that replace the user's: other values would change results without any record of it. */
function fixedVariables(threads: number): Record<string, string> {
  return {
    TF_NUM_INTRAOP_THREADS: `${threads}`,
    TF_NUM_INTEROP_THREADS: `${threads}`,
    // A training step takes 30 % less processor time than with Eigen's kernels, and rounds differently.
    TF_ENABLE_ONEDNN_OPTS: "1",
    // Sums in any order would make a resumed run differ from one that never stopped.
    TF_DETERMINISTIC_OPS: "1",
  };
}

/** Variables that are set unless the user has set them. */
function defaultVariables(gpu: boolean): Record<string, string> {
  // Only warnings and worse; otherwise TensorFlow prints its instruction sets and devices at the start.
  const quiet = { TF_CPP_MIN_LOG_LEVEL: "2" };
  return !gpu ? quiet : {
    ...quiet,
    // Otherwise TensorFlow takes the whole card, which leaves nothing to a second process.
    TF_FORCE_GPU_ALLOW_GROWTH: "true",
    // A card newer than the libraries compiles their kernels once, which fills CUDA's default of 1 GiB.
    CUDA_CACHE_PATH: join(tensorflowCache(), "cuda-cache"),
    CUDA_CACHE_MAXSIZE: "4294967296",
  };
}

/** Returns every name that {@linkcode setTensorflowEnvironment} reads or writes. */
export function tensorflowVariables(gpu: boolean): string[] {
  return Object.keys({ ...defaultVariables(gpu), ...fixedVariables(1) });
}

/**
 * Sets the variables. Call before the addon is loaded.
 * @throws Deno's NotCapable for a process that may not set them.
 */
export function setTensorflowEnvironment(gpu: boolean, threads: number): void {
  for (const [name, value] of Object.entries(defaultVariables(gpu))) process.env[name] ??= value;
  Object.assign(process.env, fixedVariables(threads));
}
