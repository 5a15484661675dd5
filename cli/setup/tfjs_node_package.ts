import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { installFiles } from "noiseline/engine";
import { placesIn, TFJS_HANDOVER, TFJS_NODE_VERSION } from "../../science/tensor/tensorflow/installation.ts";
import pinned from "./pinned.json" with { type: "json" };
import { SetupFailure } from "./setup_failure.ts";

/**
 * Packages from npm, pinned by version and digest. They are not among the toolkit's own packages, since Deno would
 * download them, with everything that they depend on, before the first run of users who never set up TensorFlow.
 *
 * `tfjs-node-gpu` has the same JavaScript and source of its addon as `tfjs-node`; the two differ in what they download.
 * `google-protobuf` is its serialiser of summaries, which the module of the kernels requires; `node-api-headers` are
 * those of Node-API, which Deno implements.
 */
const PACKAGES = pinned.packages;

/**
 * Lays out tfjs-node in `folder` as devices `tensorflow` and `tensorflow-gpu` load it. Its scripts are never run.
 * @returns the folder of Node-API's headers
 * @throws SetupFailure where a package cannot be fetched
 */
export async function layOutTfjsNode(folder: string): Promise<string> {
  const fetched = async (key: keyof typeof PACKAGES): Promise<string> => {
    const { name, version } = PACKAGES[key];
    const installed = await installFiles(PACKAGES[key], () => {});
    if ("folder" in installed) return installed.folder;
    throw new SetupFailure(
      `Cannot fetch ${name}@${version}: ${installed.problem}`,
      "check the network and npm's settings, then run this again",
    );
  };
  const { root: target } = placesIn(folder);
  cpSync(await fetched("tfjsNode"), target, { recursive: true });
  cpSync(await fetched("protobuf"), join(target, "node_modules", "google-protobuf"), { recursive: true });
  for (const [path, text] of Object.entries(standInFiles(TFJS_NODE_VERSION))) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    writeFileSync(join(target, path), text);
  }
  return join(await fetched("headers"), "include");
}

/**
 * Packages that stand for the project's TF.js beside tfjs-node.
 *
 * Two copies of TF.js in one process do not share tensors, backends and gradients, and tfjs-node requires
 * `@tensorflow/tfjs` and `@tensorflow/tfjs-core` from its own folder. So the setup writes packages of these names
 * there, which export the value under {@linkcode TFJS_HANDOVER} when they are first required; `load.ts` puts the
 * project's instance there. That needs no hook into Deno's module loader and no second TF.js on disk.
 */
const STOOD_FOR = ["@tensorflow/tfjs", "@tensorflow/tfjs-core"];

/** Returns the files to write, by their paths in tfjs-node's folder. */
export function standInFiles(version: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const name of STOOD_FOR) {
    const folder = `node_modules/${name}`;
    files[`${folder}/package.json`] = `${JSON.stringify({ name, version, main: "index.js" }, null, 2)}\n`;
    files[`${folder}/index.js`] = `module.exports = globalThis[Symbol.for(${JSON.stringify(TFJS_HANDOVER)})];\n`;
  }
  return files;
}
