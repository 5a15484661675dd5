import { existsSync } from "node:fs";
import { join } from "node:path";
import { userFolder } from "../../../std/user_folder.ts";
import process from "node:process";

/** The folder of TensorFlow once it is set up, and its contents. */

/**
 * Version of `@tensorflow/tfjs-node` and `-gpu`: that of the project's `@tensorflow/tfjs-core`, whose kernels they
 * implement.
 */
export const TFJS_NODE_VERSION = "4.22.0";

/** Version of TensorFlow, from its Python wheel, that the addon is built against. */
const TENSORFLOW_VERSION = "2.21.0";

/** Key, for `Symbol.for`, of the project's TF.js on `globalThis`; see `setup/tfjs_node_package.ts`. */
export const TFJS_HANDOVER = "noiseline.tfjs";

/**
 * One TensorFlow with its addon. `folder` holds
 *
 * - `package/`: tfjs-node as it is published, with `lib/napi-v8/tfjs_binding.node` added;
 * - `package/node_modules/`: `google-protobuf`, and packages that stand for the project's TF.js (see
 *   `setup/tfjs_node_package.ts`);
 * - `site/`: the libraries of TensorFlow and CUDA as pip lays them out, since they find each other in this layout;
 * - `setup.json`: a record of what was set up; for people.
 */
export interface Installation {
  readonly folder: string;
  readonly gpu: boolean;
  /** Version of TensorFlow. */
  readonly tensorflow: string;
}

/** Returns the folder for everything of TensorFlow. */
export function tensorflowCache(): string {
  return userFolder("tensorflow");
}

/**
 * Returns where an installation goes. The versions are in the name, so a newer noiseline never meets an older one's
 * files.
 */
export function installationFor(gpu: boolean): Installation {
  const name = `${gpu ? "gpu" : "cpu"}-tfjs-node-${TFJS_NODE_VERSION}-tensorflow-${TENSORFLOW_VERSION}`;
  return { folder: join(tensorflowCache(), name), gpu, tensorflow: TENSORFLOW_VERSION };
}

/** Returns the installation that a device uses; undefined if there is none. */
export function findInstallation(gpu: boolean): Installation | undefined {
  const installation = installationFor(gpu);
  return existsSync(placesIn(installation.folder).addon) ? installation : undefined;
}

/**
 * Returns the places in the folder of an installation: tfjs-node's package, the addon, where tfjs-node itself looks for
 * it, and an addon that is loaded first, so that TensorFlow's symbols do not mix with others (see the setup).
 */
export function placesIn(folder: string) {
  const [root, addons] = [join(folder, "package"), join(folder, "package", "lib", "napi-v8")];
  return { root, addon: join(addons, "tfjs_binding.node"), preload: join(addons, "preload.node") };
}

/** Returns the command that installs what is missing. */
export function setupCommand(gpu: boolean): string {
  return `deno task setup:tensorflow${gpu ? " --gpu" : ""}`;
}

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
