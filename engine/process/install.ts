import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { NpmExternal } from "../../stages/contract.ts";
import { makeFolder, writeNew } from "../store/files.ts";
import { looseLock } from "./module_lock.ts";
import { TOOLKIT_CONFIG, WORKER_MODULE } from "./runtime.ts";

/** Modules whose packages were made available in this process, with the lock of those that have one. */
const installed = new Map<string, string | undefined>();

/** `lock` is a custom stage's own: what the toolkit has, and what its code names. */
export type Installed = { readonly lock: string | undefined } | { readonly problem: string };

/** Fetch the packages that a stage's module imports, before its worker starts with the network closed. */
export async function installPackages(
  entry: string,
  custom: boolean,
  onProgress: (message: string) => void,
): Promise<Installed> {
  if (installed.has(entry)) return { lock: installed.get(entry) };
  const say = (message: string, first: boolean) => {
    if (first) onProgress("fetching packages (once; the tensor engine is a download of about 100 MB)");
    onProgress(message);
  };
  const config = `--config=${TOOLKIT_CONFIG}`;
  let problem: string | undefined;
  let lock: string | undefined;
  if (custom) {
    const folder = await Deno.makeTempDir({ prefix: "noiseline-" });
    try {
      const path = looseLock(folder);
      // The worker's own packages too: they read what the stage wrote.
      problem = await cacheModule(entry, [`--lock=${path}`, config, WORKER_MODULE], say);
      lock = Deno.readTextFileSync(path);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  } else problem = await cacheModule(entry, ["--frozen", config], say);
  if (problem !== undefined) return { problem };
  installed.set(entry, lock);
  return { lock };
}

/**
 * Fetch an npm package whose files a stage reads, and find its folder in Deno's cache. It stands in no configuration of
 * the toolkit, since Deno would then fetch it for every stage; a lock file of its own makes Deno check its integrity.
 *
 * @param folder for the configuration; does not exist yet
 */
export async function installFiles(
  { name, version, integrity }: NpmExternal,
  folder: string,
  onProgress: (message: string) => void,
): Promise<{ readonly folder: string } | { readonly problem: string }> {
  makeFolder(folder);
  const [config, lock] = [join(folder, "deno.json"), join(folder, "deno.lock")];
  const full = `${name}@${version}`;
  writeNew(config, "{}");
  writeNew(
    lock,
    JSON.stringify({ version: "5", specifiers: { [`npm:${full}`]: version }, npm: { [full]: { integrity } } }),
  );
  const flags = ["--frozen", `--config=${config}`, `--lock=${lock}`];
  const problem = await cacheModule(`npm:${full}`, flags, onProgress);
  if (problem !== undefined) return { problem };
  // This process started without the package and cannot resolve its names.
  const code = `console.log(import.meta.resolve(${JSON.stringify(`npm:${full}/package.json`)}))`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--cached-only", ...flags, code],
    env: { NO_COLOR: "1" },
  }).output();
  const url = new TextDecoder().decode(stdout).trim();
  if (url.startsWith("file:")) return { folder: dirname(fileURLToPath(url)) };
  return { problem: `${full} was fetched and is not found: ${url}${new TextDecoder().decode(stderr)}` };
}

/** Bring a module's packages into Deno's cache. @returns what went wrong, or undefined */
async function cacheModule(
  module: string,
  flags: readonly string[],
  onProgress: (message: string, first: boolean) => void,
): Promise<string | undefined> {
  // With everything in Deno's cache this asks no network and takes some hundredths of a second.
  const child = new Deno.Command(Deno.execPath(), {
    args: ["cache", "--no-check", ...flags, module],
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const last: string[] = [];
  let first = true;
  const decoder = new TextDecoder();
  for await (const chunk of child.stderr) {
    for (const line of decoder.decode(chunk, { stream: true }).split(/[\r\n]+/)) {
      const text = line.trim();
      if (text === "") continue;
      last.push(text);
      if (last.length > 5) last.shift();
      const name = /\/([^/]+\.tgz)$/.exec(text)?.[1];
      if (name === undefined) continue;
      onProgress(`fetching ${name}`, first);
      first = false;
    }
  }
  const { success } = await child.status;
  return success ? undefined : last.join("\n");
}
