import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { NpmExternal } from "../contract/stage.ts";
import { makeTemporaryFolder } from "../store/folders.ts";
import { writeNew } from "../store/files.ts";
import { moduleFlags, WORKER_MODULE } from "./module_lock.ts";
import type { ModuleProgram } from "../keys/program.ts";
import { loadModules } from "./runtime.ts";

/** Long enough for the tensor engine, a download of about 100 MB. */
const FETCHING_TIMEOUT_MS = 60 * 60_000;

/** Modules whose packages this process has made available. */
const installed = new Set<string>();

/**
 * Fetches the packages that a module and the user code beside it import, before a worker starts with
 * the network closed.
 * @returns why fetching failed, or undefined
 */
export async function installPackages(
  { entry, browser, userCode = [], map }: Partial<Omit<ModuleProgram, "kind">> & Pick<ModuleProgram, "entry">,
  onProgress: (message: string) => void,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const all = [entry, browser ?? [], userCode.map(({ file }) => pathToFileURL(file).href)].flat();
  const modules = [...new Set(all)].filter((one) => !installed.has(one));
  if (modules.length === 0) return undefined;
  const say = (message: string, first: boolean) => {
    if (first) onProgress("fetching packages (once; the tensor engine is a download of about 100 MB)");
    onProgress(message);
  };
  await using temporary = await makeTemporaryFolder();
  // The worker of a custom stage also loads the code that reads the stage's outputs.
  const worker = map === undefined ? [] : [WORKER_MODULE];
  const problem = await cacheModules([...moduleFlags(temporary.folder, map?.()), ...modules, ...worker], say, signal);
  if (problem === undefined) modules.forEach((one) => installed.add(one));
  return problem;
}

/**
 * Fetches an npm package whose files a stage reads, and finds its folder in Deno's cache. The package is in no
 * configuration of the toolkit, since Deno would then fetch it for every stage; a lock file of its own makes Deno check
 * its integrity.
 */
export async function installFiles(
  { name, version, integrity }: NpmExternal,
  onProgress: (message: string) => void,
): Promise<{ readonly folder: string } | { readonly problem: string }> {
  await using temporary = await makeTemporaryFolder();
  const [config, lock] = ["deno.json", "deno.lock"].map((file) => join(temporary.folder, file)) as [string, string];
  const full = `${name}@${version}`;
  writeNew(config, "{}");
  const locked = { version: "5", specifiers: { [`npm:${full}`]: version }, npm: { [full]: { integrity } } };
  writeNew(lock, JSON.stringify(locked));
  const flags = ["--frozen", `--config=${config}`, `--lock=${lock}`];
  const problem = await cacheModules([...flags, `npm:${full}`], onProgress);
  if (problem !== undefined) return { problem };
  // This process started without the package and cannot resolve its names.
  const code = `console.log(import.meta.resolve(${JSON.stringify(`npm:${full}/package.json`)}))`;
  const { stdout, said } = await loadModules(["eval", "--cached-only", ...flags, code]);
  const url = stdout.trim();
  if (url.startsWith("file:")) return { folder: dirname(fileURLToPath(url)) };
  return { problem: `${full} was fetched but cannot be found: ${url}${said}` };
}

/** Brings the packages of modules into Deno's cache. @returns why fetching failed, or undefined */
async function cacheModules(
  args: readonly string[],
  onProgress: (message: string, first: boolean) => void,
  signal?: AbortSignal,
): Promise<string | undefined> {
  // With everything in Deno's cache, this uses no network and takes some hundredths of a second.
  let first = true;
  const options = { timeoutMs: FETCHING_TIMEOUT_MS, kill: signal };
  const { success, said } = await loadModules(["cache", "--no-check", ...args], options, (line) => {
    const name = /\/([^/\s]+\.tgz)\s*$/.exec(line)?.[1];
    if (name === undefined) return;
    onProgress(`fetching ${name}`, first);
    first = false;
  });
  return success ? undefined : said;
}
