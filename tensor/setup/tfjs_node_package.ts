import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { installFiles } from "noiseline/engine";
import { placesIn, TFJS_HANDOVER, TFJS_NODE_VERSION } from "../tensorflow/installation.ts";
import { SetupFailure } from "./programs.ts";

/**
 * Packages from npm, pinned by version and digest. They are not among the toolkit's own packages, since Deno would
 * download them, with everything that they depend on, before the first run of users who never set up TensorFlow.
 */
const PACKAGES = {
  /**
   * Its JavaScript and the source of its addon are the same as in `tfjs-node`; the two differ in what they download.
   */
  tfjsNode: {
    name: "@tensorflow/tfjs-node-gpu",
    version: TFJS_NODE_VERSION,
    integrity: "sha512-p//NN6DGiN4hInUmIkRffaFVMcdTREUMjPyjW04J7OXvB2zBlQimj61eFKSgRrH3f5TnOfKzb0n56he/B6a4bw==",
  },
  /** tfjs-node's serialiser of summaries; the module of the kernels requires it. */
  protobuf: {
    name: "google-protobuf",
    version: "3.21.4",
    integrity: "sha512-MnG7N936zcKTco4Jd2PX2U96Kf9PxygAPKBug+74LHzmHXmceN16MmRcdgZv+DGef/S9YvQAfRsNCn4cjf9yyQ==",
  },
  /** Headers of Node-API, which Deno implements. */
  headers: {
    name: "node-api-headers",
    version: "1.9.0",
    integrity: "sha512-2oNILP4jXwRB4ywnYKjVk1YyJ96n2D4EOVJO6S3oYZ5PtbJrw3Yt9TpAuX3nBLMuzn74rnfGQrv13pS9vC+YiA==",
  },
} as const;

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
