import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { packageFolder, tensorflowInstallation } from "noiseline/engine";
import { SetupFailure } from "./failure.ts";

/** Its JavaScript and the source of its addon are those of `tfjs-node` too; the packages differ in what they download. */
const TFJS_NODE = "@tensorflow/tfjs-node-gpu";

/**
 * Lay tfjs-node out in `folder` as devices `tensorflow` and `tensorflow-gpu` load it, from Deno's cache, where it lies as
 * `deno.json` and `deno.lock` pin it. Its scripts are never run.
 * @returns the folder of Node-API's headers, which Deno implements
 */
export function layOutTfjsNode(folder: string): string {
  const { TFJS_NODE_VERSION, packageFolderOf, standInFiles } = tensorflowInstallation;
  const [package_, headers] = [fetchedFolder(TFJS_NODE), fetchedFolder("node-api-headers")];
  const target = packageFolderOf(folder);
  cpSync(package_, target, { recursive: true });
  // tfjs-node's serialiser of summaries; the kernels' module requires it.
  const protobuf = dirname(createRequire(join(package_, "package.json")).resolve("google-protobuf"));
  cpSync(protobuf, join(target, "node_modules", "google-protobuf"), { recursive: true });
  for (const [path, text] of Object.entries(standInFiles(TFJS_NODE_VERSION))) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    writeFileSync(join(target, path), text);
  }
  return join(headers, "include");
}

function fetchedFolder(name: string): string {
  const folder = packageFolder(name);
  if (folder !== undefined) return folder;
  throw new SetupFailure(
    `Cannot find ${name} in Deno's cache`,
    "run `deno install` in noiseline's folder, then this again",
  );
}
