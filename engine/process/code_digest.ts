import { basename, dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { compareCodeUnits, encode } from "../keys/encode.ts";
import { makeTemporaryFolder } from "../store/folders.ts";
import { copyFile } from "../store/files.ts";
import { hashFile, readTextIfThere, sha256Of, statIfThere } from "../store/reading.ts";
import { digestExecuted } from "./executed_code.ts";
import { addToLock, allBelow, packageName, TOOLKIT_CONFIG } from "./module_lock.ts";
import type { Lock, ModuleMap } from "../keys/stage.ts";
import { isToolkit, pathOf } from "./own_frames.ts";
import { explainRefusal } from "./refusal.ts";
import { askGraph, type ModuleGraph } from "./runtime.ts";
import manifest from "../../deno.json" with { type: "json" };

/**
 * Stands for the toolkit's own code in the digest of a custom stage. Raised when what a stage may use (`mod.ts`)
 * comes to give other bytes; a test pins that code.
 */
export const API_VERSION = 3;

export type CodeDigest = Awaited<ReturnType<typeof digestCode>>;

/** Code of the user's own, with everything that decides what it does. */
export type Code = Readonly<Extract<CodeDigest, { digest: string }>>;

/** Let Deno resolve all imports by the user's own settings; what those do not name comes without a target. */
async function askDeno(
  file: string,
  { config, lock }: ReturnType<typeof findSettings>,
): Promise<{ readonly info: ModuleGraph; readonly lock: Lock } | { readonly error: string }> {
  await using temporary = await makeTemporaryFolder();
  // Deno adds to a lock; the user's is not this program's to change.
  const copy = join(temporary.folder, "deno.lock");
  if (lock !== undefined) copyFile(lock, copy);
  const flags = ["--no-remote", "--node-modules-dir=none", "--frozen=false", `--lock=${copy}`];
  if (config !== undefined) flags.push(`--config=${config}`);
  const info = await askGraph(flags, pathToFileURL(file).href, dirname(file));
  if ("modules" in info) return { info, lock: JSON.parse(readTextIfThere(copy) ?? "{}") as Lock };
  const text = info.error.replace(/^[^]*?error: /, "");
  return { error: text.replaceAll(copy, lock ?? copy).replaceAll(/\s*\n\s*/g, " ").trim() };
}

/** `npm:/name@version/part` -> `name@version`. */
function packageOf(specifier: string): string {
  return /^npm:\/?((?:@[^/]+\/)?[^/]+)/.exec(specifier)?.[1] ?? specifier;
}

/** What a digest is taken of: what it is, its name, and what that resolved to. */
type Part = readonly [what: string, name: string, value: string];

function packagePart(id: string): Part {
  return ["package", `npm:${packageName(id)}`, id.slice(packageName(id).length + 1)];
}

/** Why a module cannot be loaded. Deno gives the place of an error of syntax after a frame. */
function explainModule(said: string, folder: string): { error: string; fix?: string } {
  const first = said.split("\n")[0]!;
  const refused = explainRefusal(first);
  if (refused !== undefined) return { error: refused.message, fix: refused.fix };
  const [, url = "", at] = /\n *at (file:\S+?)(:\d+:\d+)$/.exec(said) ?? [];
  const path = pathOf(url);
  if (path === undefined) return { error: first };
  return { error: `${relative(folder, path)}${at}: ${first}`, fix: "correct the code there" };
}

const DOORS_FIX = 'import from "noiseline" or "noiseline/layers"';

/** What an import gives by itself, where no settings say otherwise. */
function plainly(specifier: string, from: string): string | undefined {
  return /^(\.{0,2}\/|\w+:)/.test(specifier) ? URL.parse(specifier, from)?.href : undefined;
}

/**
 * Digest of everything that code from outside the toolkit executes: its local modules by what they do, or by their bytes
 * where they may be read as data, and relative place,
 * npm packages by name and version with all that they build on, what names stand for where settings decide that, and the
 * toolkit as one number. Type-only imports cannot change what runs and do not count.
 */
export async function digestCode(file: string) {
  const root = pathToFileURL(file).href;
  const settings = findSettings(file);
  const asked = await askDeno(file, settings);
  if ("error" in asked) return explainModule(asked.error, dirname(file));
  const { info } = asked;
  const names = toolkitNames();
  const doors = new Set(Object.values(names));
  const dependencies = info.modules.flatMap(({ dependencies = [] }) => dependencies);
  // With attributes it may be read as a text, and of `import(name, options)` nobody knows.
  const asData = dependencies.filter(({ isDynamic, assertionType }) => isDynamic || assertionType !== undefined);
  const read = new Set(asData.map(({ code }) => code?.specifier));
  const modules = new Map(info.modules.map((module) => [module.specifier, module]));
  const place = (url: string) => {
    if (url === root) return "entry";
    const path = pathOf(url);
    return path === undefined ? url : relative(dirname(file), path).replaceAll("\\", "/");
  };

  const parts: Part[] = [];
  const files: (readonly [file: string, content: string])[] = [];
  const scopes: Record<string, Record<string, string>> = {};
  const named = new Map<string, string>();
  const queue = new Set([root]);
  // A set hands out what is added while it is walked, and nothing twice.
  for (const specifier of queue) {
    if (isToolkit(specifier)) {
      if (!doors.has(specifier)) {
        const error = `${place(specifier)} is within the toolkit, of which code of one's own uses the doors alone`;
        return { error, fix: DOORS_FIX };
      }
      parts.push(["toolkit", "noiseline", String(API_VERSION)]);
      continue;
    }
    // No worker may load them: what an address gives is another's to change, and may be gone tomorrow.
    if (/^(https?|jsr):/.test(specifier)) {
      return explainModule(`Requires import access to "${specifier}"`, dirname(file));
    }
    const module = modules.get(specifier);
    if (module?.error !== undefined) return explainModule(module.error, dirname(file));
    if (module?.npmPackage !== undefined) {
      named.set(`npm:${packageOf(specifier)}`, module.npmPackage);
      continue;
    }
    const path = pathOf(specifier);
    if (path !== undefined) {
      const content = hashFile(path);
      parts.push(["file", place(specifier), read.has(specifier) ? content : await digestExecuted(path)]);
      files.push([path, content]);
    } else parts.push(["other", specifier, ""]);
    for (const { specifier: name, code } of module?.dependencies ?? []) {
      // Imports for types alone have no code.
      if (code === undefined) continue;
      const target = resolveName(name, code.specifier, names);
      if (target === undefined) {
        if (!/^(jsr:\/?)?(@noiseline\/)?noiseline\b/.test(name)) continue;
        const error = `it imports ${JSON.stringify(name)}, of which code of one's own can use nothing here`;
        return { error, fix: DOORS_FIX };
      }
      const url = target.pinned ? target.url : info.redirects?.[target.url] ?? target.url;
      if (target.pinned && url.startsWith("npm:")) parts.push(packagePart(packageOf(url)));
      else queue.add(url);
      if (url === plainly(name, specifier) || (target.pinned && !/^(npm|jsr):/.test(name))) continue;
      scopes[specifier] = { ...scopes[specifier], [name]: url };
      if (target.pinned) continue;
      // What is written out as a package is in the text of the module, and its version among the packages.
      if (packageName(packageOf(url)) !== packageName(packageOf(name))) {
        parts.push(["import", `${JSON.stringify(name)} in ${place(specifier)}`, place(url)]);
      }
    }
  }
  const lock = addToLock(asked.lock, named);
  for (const id of allBelow(named.values(), lock)) parts.push(packagePart(id));

  const texts = [...new Set(parts.map(encode))].sort(compareCodeUnits);
  const digest = sha256Of(`noiseline/code/3\n${texts.join("\n")}`);
  const map: ModuleMap = { imports: names, scopes, lock };
  return {
    digest,
    /** Its local modules, each with its SHA-256. */
    files,
    /** Files that decide what the names of modules stand for, with their SHA-256; none for those that are not there. */
    settings: settings.files.map((path) => [path, statIfThere(path)?.isFile ? hashFile(path) : null] as const),
    /** Whether it names packages beside those that the toolkit pins. */
    ownPackages: named.size > 0,
    /** What the digest was taken of: local modules by place, relative to its folder, and packages by name. */
    modules: nameModules(parts, basename(file)),
    /** What the names of modules stand for when it runs. */
    map,
  };
}

/** The parts of a code digest by the names that people call them, in the order of these. */
function nameModules(parts: readonly Part[], entry: string): Record<string, string> {
  const named = Map.groupBy(parts, ([, name]) => name.replace(/^entry$|(?<= in )entry$/, entry));
  // Packages may build on several versions of one.
  const valueOf = (own: readonly Part[]) => [...new Set(own.map(([, , value]) => value))].sort().join(", ");
  const sorted = [...named].sort(([a], [b]) => compareCodeUnits(a, b));
  return Object.fromEntries(sorted.map(([name, own]) => [name, valueOf(own)]));
}

/** What one import of a module comes to. */
export type Target = { readonly url: string; readonly pinned: boolean } | undefined;

/** Files of a project that have a say in what names of modules stand for. */
const SETTINGS = ["deno.json", "deno.jsonc", "package.json", "deno.lock"];
/** Values of other copies of these would not be known for what they are. */
const ALWAYS_OURS = /^(noiseline|@noiseline\/noiseline|zod)(\/|$)/;

/** Of the package, for code while it runs. */
const OPEN_DOORS = [".", "./data", "./layers"];

/**
 * The toolkit's own names, for code from outside it. Of noiseline itself they are the doors of the package that a stage
 * may use while it runs, under the name that the clone has for it and the package's own.
 */
export function toolkitNames(): Record<string, string> {
  const { name: own, exports } = manifest;
  const base = pathToFileURL(TOOLKIT_CONFIG);
  const open = Object.entries(exports).filter(([door]) => OPEN_DOORS.includes(door));
  const others = Object.entries(manifest.imports).filter(([name]) => !ALWAYS_OURS.test(name) || name === "zod");
  const doors = ["noiseline", own].flatMap((name) => open.map(([door, to]) => [name + door.slice(1), to] as const));
  return Object.fromEntries(
    [...doors, ...others].map(([name, to]) => [name, to.startsWith("./") ? new URL(to, base).href : to]),
  );
}

/** What the toolkit means by a name, if it is one of its own. */
function fromToolkit(name: string, names: Readonly<Record<string, string>>): string | undefined {
  if (Object.hasOwn(names, name)) return names[name];
  const prefix = Object.keys(names).find((one) => one.endsWith("/") && name.startsWith(one));
  return prefix === undefined ? undefined : `${names[prefix]}${name.slice(prefix.length)}`;
}

/**
 * What an import stands for. The user's own settings decide, but for the names that must mean the same to the stage and
 * to the toolkit; what they do not name, or name at an address that no worker may load, is the toolkit's if it has it.
 *
 * @param own what Deno makes of it by the user's settings
 */
export function resolveName(
  written: string,
  own: string | undefined,
  names: Readonly<Record<string, string>>,
): Target {
  // Written out as a package, with whatever version, it is the same.
  const bare = written.replace(/^(?:npm|jsr):\/?(@?[^@]+)(?:@[^/]*)?/, "$1");
  const name = ALWAYS_OURS.test(bare) ? bare : written;
  const toolkit = fromToolkit(name, names);
  const ours = ALWAYS_OURS.test(name) || own === undefined || own === toolkit || /^(https?|jsr):/.test(own);
  if (ours && toolkit !== undefined) return { url: toolkit, pinned: true };
  if (own === undefined || ALWAYS_OURS.test(name)) return undefined;
  return { url: own, pinned: false };
}

/**
 * Find the settings above a module, as Deno does.
 * @returns the nearest configuration, the nearest lock, and all files that have a say, or would if they were there
 */
export function findSettings(module: string) {
  const files: string[] = [];
  for (let at = dirname(module);; at = dirname(at)) {
    files.push(...SETTINGS.map((name) => join(at, name)));
    if (dirname(at) === at) break;
  }
  const nearest = (pattern: RegExp) => files.find((path) => pattern.test(path) && statIfThere(path)?.isFile === true);
  const config = nearest(/deno\.jsonc?$/);
  const map = config === undefined ? undefined : /"importMap"\s*:\s*"([^"]+)"/.exec(readTextIfThere(config) ?? "")?.[1];
  if (map !== undefined) files.push(join(dirname(config!), map));
  return { config, lock: nearest(/deno\.lock$/), files };
}
