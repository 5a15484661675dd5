import * as tf from "@tensorflow/tfjs-core";
import { createRequire } from "node:module";
import { join } from "node:path";
import util from "node:util";
import { type Installation, placesIn, setTensorflowEnvironment, setupCommand, TFJS_HANDOVER } from "./installation.ts";

/**
 * Loads tfjs-node into the TF.js that the project uses (see `setup/tfjs_node_package.ts`). Processes that do not open
 * the device neither load nor download any of it.
 *
 * tfjs-node's `index.js` is left out: it would select the backend for the whole process, use node-pre-gyp to find the
 * addon, and register file handlers. The rest of its work is done here: register the kernels, load the addon, register
 * the backend.
 */

/** tfjs-node looks up its backend by this name. */
export const TENSORFLOW_BACKEND = "tensorflow";

interface LoadedTensorflow {
  readonly installation: Installation;
  readonly threads: number;
  /** True if ops run on a GPU. TensorFlow falls back to the CPU by itself. */
  readonly usesGpu: boolean;
}

let loaded: LoadedTensorflow | undefined;

/**
 * Loads TensorFlow and registers its TF.js backend, once for the process: its threads and its libraries cannot be
 * changed afterwards.
 * @param threads threads of an op and for ops; default: those that TensorFlow was loaded with, or all logical cores
 * @throws Error when TensorFlow is already loaded differently, or cannot be loaded.
 */
export function loadTensorflow(installation: Installation, threads?: number): LoadedTensorflow {
  if (loaded !== undefined) {
    assertSame(loaded, installation, threads);
    return loaded;
  }
  const count = threads ?? navigator.hardwareConcurrency;
  setTensorflowEnvironment(installation.gpu, count);
  patchUtil();
  const backend = requireBackend(installation);
  tf.registerBackend(TENSORFLOW_BACKEND, () => backend, 0); // Priority 0: TF.js never picks it by itself.
  tf.findBackend(TENSORFLOW_BACKEND);
  loaded = { installation, threads: count, usesGpu: backend.isUsingGpuDevice };
  return loaded;
}

interface NodeBackend extends tf.KernelBackend {
  readonly isUsingGpuDevice: boolean;
}

function requireBackend({ folder, gpu, tensorflow }: Installation): NodeBackend {
  const { root, addon, preload } = placesIn(folder);
  const require = createRequire(join(root, "package.json"));
  const key = Symbol.for(TFJS_HANDOVER);
  const host = globalThis as { [key]?: unknown };
  host[key] = tf;
  try {
    require("./dist/register_all_kernels.js");
    const { NodeJSKernelBackend } = require("./dist/nodejs_kernel_backend.js") as {
      NodeJSKernelBackend: new (binding: object, packageName: string) => NodeBackend;
    };
    require(preload);
    const binding = require(addon) as { readonly TF_Version: string };
    if (binding.TF_Version !== tensorflow) {
      throw new Error(`got TensorFlow ${binding.TF_Version}, wanted ${tensorflow}`);
    }
    const name = gpu ? "@tensorflow/tfjs-node-gpu" : "@tensorflow/tfjs-node";
    return new NodeJSKernelBackend(binding, name);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot load TensorFlow from ${folder}: ${reason}. Fix: ${setupCommand(gpu)} --force`, {
      cause: error,
    });
  } finally {
    delete host[key];
  }
}

/**
 * Restores two functions that tfjs-node 4.22 calls, and that Node.js 23 removed, and Deno with it
 * (tensorflow/tfjs#8609).
 */
function patchUtil(): void {
  const old = util as unknown as Record<string, (value: unknown) => boolean>;
  old["isNullOrUndefined"] ??= (value) => value === null || value === undefined;
  old["isArray"] ??= Array.isArray;
}

function assertSame(before: LoadedTensorflow, installation: Installation, threads: number | undefined): void {
  if (before.installation.folder !== installation.folder) {
    throw new Error(
      `Cannot load TensorFlow from ${installation.folder}: this process has loaded it from ` +
        `${before.installation.folder}. Fix: use another process.`,
    );
  }
  if (threads !== undefined && threads !== before.threads) {
    throw new Error(
      `Cannot use TensorFlow with threads ${threads}: this process has loaded it with ${before.threads}. ` +
        `Fix: use the same number, or another process.`,
    );
  }
}
