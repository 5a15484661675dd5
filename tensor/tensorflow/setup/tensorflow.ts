import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { formatBytes } from "@std/fmt";
import { examineDevices, isRunning, runTrial, trialOf, tryDevice } from "noiseline/engine";
import { findInstallation, installationFor, tensorflowCache, TFJS_NODE_VERSION } from "../installation.ts";
import type { Installation } from "../installation.ts";
import { buildAddon, requireCompiler } from "./build_addon.ts";
import { SetupFailure } from "./programs.ts";
import { fetchWheels, requirePip, requireWheelPlatform, wheelSet } from "./fetch_wheels.ts";
import { layOutTfjsNode } from "./tfjs_node_package.ts";

interface SetupOptions {
  readonly gpu: boolean;
  /** True to set up again even if an installation is there. */
  readonly force: boolean;
  readonly say: (line: string) => void;
}

const STAGING = ".staging-";

/**
 * Makes device `tensorflow` or `tensorflow-gpu` usable on this machine, in the user's cache. The installation becomes
 * visible only after it has computed something, and an interrupted setup leaves nothing that counts.
 * @throws SetupFailure
 */
export async function setUpTensorflow({ gpu, force, say }: SetupOptions): Promise<void> {
  const present = findInstallation(gpu);
  if (present !== undefined && !force) {
    say(`already set up: TensorFlow ${present.tensorflow} in ${present.folder}`);
    return;
  }
  const cache = tensorflowCache();
  try {
    mkdirSync(cache, { recursive: true });
  } catch (error) {
    throw new SetupFailure(
      `Cannot make the cache folder ${cache}: ${error instanceof Error ? error.message : error}`,
      "set XDG_CACHE_HOME to a folder that can be written",
    );
  }
  sweep(cache);
  const installation = installationFor(gpu);
  const staging = join(cache, `${STAGING}${Deno.pid}-${basename(installation.folder)}`);
  try {
    await make({ ...installation, folder: staging }, say);
    publish(staging, installation, say);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  // Reports the device as it is from now on.
  for (const { name, reason, fix } of await examineDevices(tryDevice, [gpu ? "tensorflow-gpu" : "tensorflow"])) {
    say(`device ${name}: ${reason}${fix === undefined ? "" : `; ${fix}`}`);
  }
}

async function make(staged: Installation, say: (line: string) => void): Promise<void> {
  const { folder, gpu } = staged;
  await requireForBuild(gpu, dirname(folder));
  const [work, site] = [join(folder, "work"), join(folder, "site")];
  const headers = await layOutTfjsNode(folder);
  await fetchWheels(wheelSet(gpu), { site, work, say });
  say("building the addon");
  await buildAddon(folder, site, headers);
  rmSync(join(site, "tensorflow", "include"), { recursive: true });
  rmSync(work, { recursive: true });
  await tryOut(staged, say);
}

/** Checks everything that building needs, before anything is downloaded. */
async function requireForBuild(gpu: boolean, cache: string): Promise<void> {
  requireWheelPlatform();
  await requirePip();
  await requireCompiler();
  const { diskBytes } = wheelSet(gpu);
  const { bavail, bsize } = statfsSync(cache);
  const free = Number(bavail) * Number(bsize);
  if (free >= diskBytes) return;
  throw new SetupFailure(
    `Cannot set up TensorFlow in ${cache}: it needs ${formatBytes(diskBytes)} while it works, and ${
      formatBytes(free)
    } ` +
      "are free",
    "free some, or set XDG_CACHE_HOME to a folder on another disk",
  );
}

/**
 * Lets the installation compute, on the processor if no card is available: an addon that does not fit its library
 * fails.
 */
async function tryOut(staged: Installation, say: (line: string) => void): Promise<void> {
  say("trying it out");
  const device = { name: "tensorflow", numerics: "tensorflow", card: staged.gpu } as const;
  const trouble = await runTrial(trialOf(device, staged));
  if (trouble === undefined) return;
  throw new SetupFailure(
    `Cannot use TensorFlow ${staged.tensorflow} as it was set up: ${trouble.reason}`,
    'use device "onnx", which needs no setup; report what it says',
  );
}

function publish(staging: string, installation: Installation, say: (line: string) => void): void {
  const { folder, gpu, tensorflow } = installation;
  const record = { tfjsNode: TFJS_NODE_VERSION, tensorflow, gpu, at: new Date().toISOString() };
  writeFileSync(join(staging, "setup.json"), `${JSON.stringify(record, null, 2)}\n`);
  // A folder cannot be renamed over one with files, so an old one moves aside; processes that use it keep its files
  // open.
  const old = `${staging}-old`;
  if (existsSync(folder)) renameSync(folder, old);
  try {
    renameSync(staging, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    throw new SetupFailure(`Cannot put ${folder} in place: another setup has just done so`, "use that one");
  }
  rmSync(old, { recursive: true, force: true });
  say(`set up: TensorFlow ${tensorflow} in ${folder}`);
}

/** Removes the leftovers of setups that were killed. */
function sweep(cache: string): void {
  for (const name of readdirSync(cache)) {
    const pid = new RegExp(`^${RegExp.escape(STAGING)}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(cache, name), { recursive: true, force: true });
  }
}
