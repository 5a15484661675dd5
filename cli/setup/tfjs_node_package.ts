import { cpSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { tensorflowInstallation } from "noiseline";
import { runProgram } from "./programs.ts";

/** tfjs-node's serialiser of summaries; the kernels' module requires it. */
const PROTOBUF = { name: "google-protobuf", version: "3.21.4" };

/** Headers of Node-API, which Deno implements. */
const HEADERS = { name: "node-api-headers", version: "1.9.0" };

export interface FetchedPackages {
  /** Folder with `node_api.h`. */
  readonly headers: string;
}

/**
 * Fetch tfjs-node from npm without running its scripts, and lay it out in `folder` as device `tensorflow` loads it. Deno
 * itself is the npm client, so nobody needs Node.js for it.
 *
 * @param work a folder for the whole tree of its dependencies, most of which is left behind
 */
export async function layOutTfjsNode(folder: string, work: string, gpu: boolean): Promise<FetchedPackages> {
  const { TFJS_NODE_VERSION, packageFolderOf, standInFiles } = tensorflowInstallation;
  const name = gpu ? "@tensorflow/tfjs-node-gpu" : "@tensorflow/tfjs-node";
  const dependencies = {
    [name]: TFJS_NODE_VERSION,
    [PROTOBUF.name]: PROTOBUF.version,
    [HEADERS.name]: HEADERS.version,
  };
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, "package.json"), JSON.stringify({ private: true, dependencies }));
  await runProgram(Deno.execPath(), ["install", "--quiet", "--node-modules-dir=auto"], {
    cwd: work,
    purpose: `fetch ${name} ${TFJS_NODE_VERSION} from npm`,
    fix: "check the network and the npm settings of this machine, then run this again",
  });
  const modules = join(work, "node_modules");
  const target = packageFolderOf(folder);
  // Deno lays packages out as links into its own store.
  const copy = (from: string, to: string) =>
    cpSync(realpathSync(join(modules, from)), to, { recursive: true, dereference: true });
  copy(name, target);
  copy(PROTOBUF.name, join(target, "node_modules", PROTOBUF.name));
  for (const [path, text] of Object.entries(standInFiles(TFJS_NODE_VERSION))) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    writeFileSync(join(target, path), text);
  }
  return { headers: join(realpathSync(join(modules, HEADERS.name)), "include") };
}
