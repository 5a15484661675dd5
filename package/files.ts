/**
 * The files of noiseline on this machine. Stages run in processes that may load nothing from a network, under a frozen
 * lock, so noiseline runs from local files: a version that was loaded from a registry is copied into the user's cache
 * once. No package is loaded for this, because it comes before their lock.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readAtMost } from "../std/read_at_most.ts";
import { Semaphore } from "../std/semaphore.ts";
import { isOwn, userFolder } from "../std/user_folder.ts";

const MAX_FILE_BYTES = 4 << 20;
const MAX_FILES = 5_000;

const AT_ONCE = 16;
const TIMEOUT_MS = 60_000;

/** Fetches at most `maxBytes` from an address. */
async function fetchBytes(address: URL, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(({ cause, message }) => {
    throw new Error(`${address} cannot be reached: ${cause?.message ?? message}`);
  });
  if (!response.ok) throw new Error(`${address} answers ${response.status}`);
  const bytes = await readAtMost(response, maxBytes);
  if (bytes === undefined) throw new Error(`${address} gives more than ${maxBytes} bytes`);
  return bytes;
}

/** One file of a version, as the registry lists it. */
type Listed = readonly [path: string, { readonly size: number; readonly checksum: string }];

/**
 * Fetches the list of a version's files. It is parsed without Zod, because this program loads no packages: it runs
 * before their lock is there.
 */
async function fetchList(root: URL): Promise<Listed[]> {
  const address = new URL(`${root.href.slice(0, -1)}_meta.json`);
  const text = new TextDecoder().decode(await fetchBytes(address, MAX_FILE_BYTES));
  const files = Object.entries(JSON.parse(text)?.manifest ?? {}) as Listed[];
  const good = files.every(([path, { size, checksum }]) =>
    /^(\/[\w@-][\w.@-]*)+$/.test(path) && size <= MAX_FILE_BYTES && /^sha256-[0-9a-f]{64}$/.test(checksum)
  );
  if (!good || files.length === 0 || files.length > MAX_FILES) throw new Error(`${address} is not a list of files`);
  return files;
}

/**
 * Copies the files of a package from a registry and checks each against the checksum in the registry's list.
 *
 * @param root address of the files, with `/` at its end
 * @param folder appears when it is complete
 * @returns what went wrong, or undefined
 */
async function copyPackage(root: URL, folder: string): Promise<string | undefined> {
  const unfinished = `${folder}.${crypto.randomUUID()}`;
  try {
    Deno.mkdirSync(unfinished, { recursive: true, mode: 0o700 });
    await new Semaphore(AT_ONCE).map(await fetchList(root), async ([path, { size, checksum }]) => {
      const bytes = await fetchBytes(new URL(`.${path}`, root), size);
      const digest = createHash("sha256").update(bytes).digest("hex");
      if (checksum !== `sha256-${digest}`) throw new Error(`${path} is not what the registry's list says`);
      Deno.mkdirSync(dirname(join(unfinished, path)), { recursive: true });
      Deno.writeFileSync(join(unfinished, path), bytes);
    });
    Deno.renameSync(unfinished, folder);
    return undefined;
  } catch (error) {
    if (existsSync(unfinished)) Deno.removeSync(unfinished, { recursive: true });
    // Another process may have been faster.
    if (isOwn(folder)) return undefined;
    return existsSync(folder) ? "it is there, but others may write to it; remove it" : (error as Error).message;
  }
}

/** Returns the folder with noiseline's files, which are copied if they are not there. @throws Error if that fails */
export async function ensureLocalCopy(): Promise<string> {
  const root = new URL("../", import.meta.url);
  if (root.protocol === "file:") return fileURLToPath(root);
  const folder = join(userFolder("packages"), root.href.replaceAll(/[^\w.-]+/g, "_"));
  if (isOwn(folder)) return folder;
  Deno.stderr.writeSync(new TextEncoder().encode(`copying the files of noiseline to ${folder} (once)\n`));
  const problem = await copyPackage(root, folder);
  if (problem === undefined) return folder;
  const fix = "see that the network and that folder can be used; once the files are there, no network is needed";
  throw new Error(`cannot copy the files of noiseline to ${folder}: ${problem}\n  fix:    ${fix}`);
}

/** Returns Deno's arguments that start the program of local files, with its own settings and lock. */
export function programArgs(folder: string): string[] {
  const settings = [`--config=${join(folder, "deno.json")}`, `--lock=${join(folder, "deno.lock")}`, "--frozen"];
  return ["run", "-A", "--node-modules-dir=none", ...settings, join(folder, "cli/main.ts")];
}
