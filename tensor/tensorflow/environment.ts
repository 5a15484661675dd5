import { join } from "node:path";
import process from "node:process";
import { tensorflowCache } from "./installation.ts";

/** TensorFlow has no other way to be configured through tfjs-node than variables that it reads while it is loaded. */

interface Variable {
  readonly value: string;
  /** Whether a value that the user has set is replaced: where it would change results and no record would say so. */
  readonly fixed: boolean;
}

const chosen = (value: string): Variable => ({ value, fixed: false });
const fixed = (value: string): Variable => ({ value, fixed: true });

function variables(gpu: boolean, threads: number): Record<string, Variable> {
  return {
    // Warnings and worse; TensorFlow greets with its instruction sets and devices otherwise.
    TF_CPP_MIN_LOG_LEVEL: chosen("2"),
    TF_NUM_INTRAOP_THREADS: fixed(`${threads}`),
    TF_NUM_INTEROP_THREADS: fixed(`${threads}`),
    // A training step takes 30 % less processor time than with Eigen's kernels, and rounds differently.
    TF_ENABLE_ONEDNN_OPTS: fixed("1"),
    // Sums in any order would make a run that is resumed differ from one that was not.
    TF_DETERMINISTIC_OPS: fixed("1"),
    ...(gpu ? gpuVariables() : {}),
  };
}

function gpuVariables(): Record<string, Variable> {
  return {
    // TensorFlow takes the whole card otherwise, which leaves nothing to a second process.
    TF_FORCE_GPU_ALLOW_GROWTH: chosen("true"),
    // A card newer than the libraries compiles their kernels once, which fills CUDA's default of 1 GiB.
    CUDA_CACHE_PATH: chosen(join(tensorflowCache(), "cuda-cache")),
    CUDA_CACHE_MAXSIZE: chosen("4294967296"),
  };
}

/** Every name that {@linkcode setTensorflowEnvironment} reads or writes. */
export function tensorflowVariables(gpu: boolean): string[] {
  return Object.keys(variables(gpu, 1));
}

/** Set what is not set. Call before the addon is loaded. @throws Deno's NotCapable for a process that may not. */
export function setTensorflowEnvironment(gpu: boolean, threads: number): void {
  for (const [name, { value, fixed }] of Object.entries(variables(gpu, threads))) {
    if (fixed || process.env[name] === undefined) process.env[name] = value;
  }
}
