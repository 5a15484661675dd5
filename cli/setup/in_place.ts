import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { formatBytes } from "@std/fmt";
import { examineDevices, isRunning, runTrial, trialOf, tryDevice } from "noiseline/engine";
import type { ConcreteDeviceName } from "../../science/tensor/devices.ts";
import { SetupFailure } from "./setup_failure.ts";
import { downloadBytes, fetchWheels, type WheelSet } from "./wheels.ts";

export interface SetupOptions {
  /** True to set up again even if an installation is there. */
  readonly force: boolean;
  readonly say: (line: string) => void;
}

export interface Setup {
  /** Name and version of the engine. */
  readonly engine: string;
  /** The engine with its files in their place. */
  readonly installation: { readonly folder: string };
  readonly isPresent: () => boolean;
  /** The device that the engine is for. */
  readonly device: ConcreteDeviceName;
  /** The device that tries it out, which computes on the processor where there is no card. */
  readonly tried: Parameters<typeof trialOf>[0];
  readonly wheels: WheelSet;
  /** Checks what else is needed, before anything is downloaded. */
  readonly requireAll?: () => void;
  /**
   * Makes everything in `staged`, and returns what `setup.json` says about that; `fetch` unpacks the wheels into a
   * folder.
   */
  readonly make: (staged: string, fetch: (site: string) => Promise<void>) => Promise<object>;
}

const STAGING = ".staging-";

/**
 * Sets up an engine in the user's cache. The installation becomes visible only after it has computed something, and an
 * interrupted set-up leaves nothing that counts; what it has downloaded is continued by the next.
 * @throws SetupFailure
 */
export async function setUp(setup: Setup, options: SetupOptions): Promise<void> {
  const { engine, installation, isPresent, wheels, requireAll, make } = setup;
  const { force, say } = options;
  const { folder } = installation;
  const isDone = () => {
    if (force || !isPresent()) return false;
    say(`already set up: ${engine} in ${folder}`);
    return true;
  };
  if (isDone()) return;
  const cache = dirname(folder);
  try {
    mkdirSync(cache, { recursive: true });
  } catch (error) {
    throw new SetupFailure(
      `Cannot make the cache folder ${cache}: ${error instanceof Error ? error.message : error}`,
      "set XDG_CACHE_HOME to a folder that can be written",
    );
  }
  // Two at once would take each other's downloads away.
  using lock = await Deno.open(`${cache}.lock`, { write: true, create: true });
  if (!await lock.tryLock(true)) {
    say("another set-up is at work; waiting for it");
    await lock.lock(true);
    if (isDone()) return;
  }
  sweep(cache);
  requireAll?.();
  requireSpace(setup, cache);
  const staging = join(cache, `${STAGING}${Deno.pid}-${basename(folder)}`);
  try {
    const downloads = join(cache, `${basename(folder)}-downloads`);
    const record = await make(staging, (site) => fetchWheels(wheels, { site, downloads, say }));
    say("trying it out");
    await tryOut(setup, staging);
    publish(folder, staging, record);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  say(`set up: ${engine} in ${folder}`);
  // Reports the device as it is from now on.
  for (const { name, reason, fix } of await examineDevices(tryDevice, [setup.device])) {
    say(`device ${name}: ${reason}${fix === undefined ? "" : `; ${fix}`}`);
  }
}

function requireSpace({ engine, wheels }: Setup, cache: string): void {
  // Wheels and their unpacked files are there at the same time.
  const needed = downloadBytes(wheels) + wheels.unpackedBytes;
  const { bavail, bsize } = statfsSync(cache);
  const free = Number(bavail) * Number(bsize);
  if (free >= needed) return;
  const [wanted, got] = [needed, free].map((bytes) => formatBytes(bytes));
  throw new SetupFailure(
    `Cannot set up ${engine} in ${cache}: it needs ${wanted} while it works, and ${got} are free`,
    "free some, or set XDG_CACHE_HOME to a folder on another disk",
  );
}

/** Lets the installation compute: a library that is damaged, or does not fit this machine, fails. */
async function tryOut({ engine, installation, tried }: Setup, staging: string): Promise<void> {
  const trouble = await runTrial(trialOf(tried, { ...installation, folder: staging }));
  if (trouble === undefined) return;
  throw new SetupFailure(
    `Cannot use ${engine} as it was set up: ${trouble.reason}`,
    'use device "onnx", which needs no setup; report what it says',
  );
}

function publish(folder: string, staging: string, record: object): void {
  const all = { ...record, at: new Date().toISOString() };
  writeFileSync(join(staging, "setup.json"), `${JSON.stringify(all, null, 2)}\n`);
  // A folder cannot be renamed over one with files, so an old one moves aside; processes that use it keep its files
  // open.
  const old = `${staging}-old`;
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(staging, folder);
  rmSync(old, { recursive: true, force: true });
}

/** Removes the leftovers of setups that were killed. */
function sweep(cache: string): void {
  for (const name of readdirSync(cache)) {
    const pid = new RegExp(`^${RegExp.escape(STAGING)}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(cache, name), { recursive: true, force: true });
  }
}
