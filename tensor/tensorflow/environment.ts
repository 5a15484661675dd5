import { join } from "node:path";
import process from "node:process";
import { tensorflowCache } from "./installation.ts";

/** TensorFlow has no other way to be configured through tfjs-node than variables that it reads while it is loaded. */

/** What replaces a value that the user has set: it would change results and no record would say so. */
function fixedVariables(threads: number): Record<string, string> {
  return {
    TF_NUM_INTRAOP_THREADS: `${threads}`,
    TF_NUM_INTEROP_THREADS: `${threads}`,
    // A training step takes 30 % less processor time than with Eigen's kernels, and rounds differently.
    TF_ENABLE_ONEDNN_OPTS: "1",
    // Sums in any order would make a run that is resumed differ from one that was not.
    TF_DETERMINISTIC_OPS: "1",
  };
}

/** What is set where the user has not. */
function defaultVariables(gpu: boolean): Record<string, string> {
  // Warnings and worse; TensorFlow greets with its instruction sets and devices otherwise.
  const quiet = { TF_CPP_MIN_LOG_LEVEL: "2" };
  return !gpu ? quiet : {
    ...quiet,
    // TensorFlow takes the whole card otherwise, which leaves nothing to a second process.
    TF_FORCE_GPU_ALLOW_GROWTH: "true",
    // A card newer than the libraries compiles their kernels once, which fills CUDA's default of 1 GiB.
    CUDA_CACHE_PATH: join(tensorflowCache(), "cuda-cache"),
    CUDA_CACHE_MAXSIZE: "4294967296",
  };
}

/** Every name that {@linkcode setTensorflowEnvironment} reads or writes. */
export function tensorflowVariables(gpu: boolean): string[] {
  return Object.keys({ ...defaultVariables(gpu), ...fixedVariables(1) });
}

/** Set what is not set. Call before the addon is loaded. @throws Deno's NotCapable for a process that may not. */
export function setTensorflowEnvironment(gpu: boolean, threads: number): void {
  for (const [name, value] of Object.entries(defaultVariables(gpu))) process.env[name] ??= value;
  Object.assign(process.env, fixedVariables(threads));
}
