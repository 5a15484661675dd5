import { basename, dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { compareCodeUnits, encode } from "../keys/encode.ts";
import { makeTemporaryFolder } from "../store/folders.ts";
import { copyFile } from "../store/files.ts";
import { hashFile, readTextIfThere, realPath, sha256Of, statIfThere } from "../store/reading.ts";
import { digestExecuted } from "./code_syntax_digest.ts";
import { addToLock, allBelow, packageName, TOOLKIT_CONFIG } from "./module_lock.ts";
import type { Lock, ModuleMap } from "../keys/stage.ts";
import { isToolkit, pathOf } from "./own_frames.ts";
import { explainRefusal } from "./refusal.ts";
import { askGraph, type ModuleGraph } from "./runtime.ts";
import manifest from "../../deno.json" with { type: "json" };

/**
 * Stands for the toolkit's code in the digest of a custom stage. Raised when the API for stages (`mod.ts`) comes to
 * give other bytes; a test pins that code.
 */
export const API_VERSION = 3;

/** Deno loads files of settings whole. */
const MOST_BYTES = 64 << 20;

export type CodeDigest = Awaited<ReturnType<typeof digestCode>>;

/** User code, with everything that decides what it does. */
export type Code = Readonly<Extract<CodeDigest, { digest: string }>>;

/** Lets Deno resolve all imports by the user's own settings. An import that the settings do not name has no target. */
async function resolveImports(
  file: string,
  { config, lock }: ReturnType<typeof findSettings>,
): Promise<{ readonly info: ModuleGraph; readonly lock: Lock } | { readonly error: string }> {
  await using temporary = await makeTemporaryFolder();
  // Deno may add to the lock file, and this program must not change the user's.
  const copy = join(temporary.folder, "deno.lock");
  if (lock !== undefined) copyFile(lock, copy);
  const flags = ["--no-remote", "--node-modules-dir=none", "--frozen=false", `--lock=${copy}`];
  if (config !== undefined) flags.push(`--config=${config}`);
  const info = await askGraph(flags, pathToFileURL(file).href, { cwd: dirname(file) });
  if ("modules" in info) return { info, lock: JSON.parse(readTextIfThere(copy) ?? "{}") as Lock };
  const text = info.error.replace(/^[^]*?error: /, "");
  return { error: text.replaceAll(copy, lock ?? copy).replaceAll(/\s*\n\s*/g, " ").trim() };
}

/** `npm:/name@version/part` -> `name@version`. */
function packageOf(specifier: string): string {
  return /^npm:\/?((?:@[^/]+\/)?[^/]+)/.exec(specifier)?.[1] ?? specifier;
}

/** One part of a code digest: its sort, its name, and what the name resolved to. */
type Part = readonly [what: string, name: string, value: string];

function packagePart(id: string): Part {
  return ["package", `npm:${packageName(id)}`, id.slice(packageName(id).length + 1)];
}

/** Explains why a module cannot be loaded. Deno gives the place of a syntax error after a frame. */
function explainModule(said: string, folder: string): { error: string; fix?: string } {
  const first = said.split("\n")[0]!;
  const refused = explainRefusal(first);
  if (refused !== undefined) return { error: refused.message, fix: refused.fix };
  const [, url = "", at] = /\n *at (file:\S+?)(:\d+:\d+)$/.exec(said) ?? [];
  const path = pathOf(url);
  if (path === undefined) return { error: first };
  return { error: `${relative(folder, path)}${at}: ${first}`, fix: "correct the code there" };
}

const DOORS_FIX = 'import from "noiseline", or from its layers, tensor or engine';

/** Returns the URL that a specifier resolves to where no settings say otherwise. */
function resolveWithoutSettings(specifier: string, from: string): string | undefined {
  return /^(\.{0,2}\/|\w+:)/.test(specifier) ? URL.parse(specifier, from)?.href : undefined;
}

/**
 * Digests everything that code from outside the toolkit executes: its local modules, by relative place and by what they
 * do (by their bytes if they may be read as data); npm packages with all their dependencies, by name and version; the
 * meaning of names that settings decide; and the toolkit, as one number. Type-only imports cannot change what runs and
 * do not count.
 */
export async function digestCode(file: string) {
  const root = pathToFileURL(file).href;
  const settings = findSettings(file);
  const large = settings.files.find((path) => (statIfThere(realPath(path))?.size ?? 0) > MOST_BYTES);
  if (large !== undefined) {
    const error = `${large}, which decides what its imports mean, is larger than ${MOST_BYTES >> 20} MiB`;
    return { error, fix: "make the file again, or remove it" };
  }
  const asked = await resolveImports(file, settings);
  if ("error" in asked) return explainModule(asked.error, dirname(file));
  const { info } = asked;
  const names = toolkitImportMap();
  const doors = new Set(Object.values(names));
  const dependencies = info.modules.flatMap(({ dependencies = [] }) => dependencies);
  // A module that is imported with attributes may be read as text, and the options of `import(name, options)` are
  // unknown.
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
  const scopes: Record<string, Record<string, string>> = Object.create(null);
  const named = new Map<string, string>();
  const queue = new Set([root]);
  // A set's iterator also visits entries that are added during the walk, and each entry once.
  for (const specifier of queue) {
    if (isToolkit(specifier)) {
      if (!doors.has(specifier)) {
        const error = `${
          place(specifier)
        } is within the toolkit, of which your code may import only the public modules`;
        return { error, fix: DOORS_FIX };
      }
      parts.push(["toolkit", "noiseline", String(API_VERSION)]);
      continue;
    }
    // No worker may load modules from an address: others may change them, or remove them tomorrow.
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
      // Type-only imports have no code.
      if (code === undefined) continue;
      const target = resolveName(name, code.specifier, names);
      if (target === undefined) {
        if (!/^(jsr:\/?)?(@noiseline\/)?noiseline\b/.test(name)) continue;
        const error = `it imports ${JSON.stringify(name)}, which your code cannot use here`;
        return { error, fix: DOORS_FIX };
      }
      const url = target.pinned ? target.url : info.redirects?.[target.url] ?? target.url;
      if (target.pinned && url.startsWith("npm:")) parts.push(packagePart(packageOf(url)));
      else queue.add(url);
      if (url === resolveWithoutSettings(name, specifier) || (target.pinned && !/^(npm|jsr):/.test(name))) continue;
      scopes[specifier] = { ...scopes[specifier], [name]: url };
      if (target.pinned) continue;
      // A package that the import itself names is in the module's text, and its version among the packages.
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
    /** The local modules, each with its SHA-256. */
    files,
    /** Files that decide what module names mean, each with its SHA-256, or with null if it does not exist. */
    settings: settings.files.map((path) => [path, statIfThere(path)?.isFile ? hashFile(path) : null] as const),
    /** True if the code names packages beyond those that the toolkit pins. */
    ownPackages: named.size > 0,
    /** The parts of the digest: local modules by path, relative to the folder of the code, and packages by name. */
    modules: nameModules(parts, basename(file)),
    /** The import map and the lock under which the code runs. */
    map,
  };
}

/** Returns the parts of a code digest by the names that people know them by, sorted by these names. */
function nameModules(parts: readonly Part[], entry: string): Record<string, string> {
  const named = Map.groupBy(parts, ([, name]) => name.replace(/^entry$|(?<= in )entry$/, entry));
  // Packages may depend on several versions of the same package.
  const valueOf = (own: readonly Part[]) => [...new Set(own.map(([, , value]) => value))].sort().join(", ");
  const sorted = [...named].sort(([a], [b]) => compareCodeUnits(a, b));
  return Object.fromEntries(sorted.map(([name, own]) => [name, valueOf(own)]));
}

/** The target of an import, pinned if the toolkit decides it; undefined if there is none. */
type Target = { readonly url: string; readonly pinned: boolean } | undefined;

/** Files of a project that affect what module names mean. */
const SETTINGS = ["deno.json", "deno.jsonc", "package.json", "deno.lock"];
/** Packages that always come from the toolkit: values from another copy of them would not be recognised. */
const ALWAYS_OURS = /^(noiseline|@noiseline\/noiseline|zod)(\/|$)/;

/** Entry points of the package that user code may import while it runs. */
const ENTRY_POINTS = [".", "./data", "./engine", "./layers", "./tensor"];

/**
 * Returns the import map that the toolkit offers to code from outside it. For noiseline itself the map has the entry
 * points that a stage may use while it runs, under the clone's name for it and the package's.
 */
export function toolkitImportMap(): Record<string, string> {
  const { name: own, exports } = manifest;
  const base = pathToFileURL(TOOLKIT_CONFIG);
  const open = Object.entries(exports).filter(([door]) => ENTRY_POINTS.includes(door));
  const others = Object.entries(manifest.imports).filter(([name]) => !ALWAYS_OURS.test(name) || name === "zod");
  const doors = ["noiseline", own].flatMap((name) => open.map(([door, to]) => [name + door.slice(1), to] as const));
  return Object.fromEntries(
    [...doors, ...others].map(([name, to]) => [name, to.startsWith("./") ? new URL(to, base).href : to]),
  );
}

/** Returns the target of a name in the toolkit's import map, if the map has that name. */
function fromToolkit(name: string, names: Readonly<Record<string, string>>): string | undefined {
  if (Object.hasOwn(names, name)) return names[name];
  const prefix = Object.keys(names).find((one) => one.endsWith("/") && name.startsWith(one));
  return prefix === undefined ? undefined : `${names[prefix]}${name.slice(prefix.length)}`;
}

/**
 * Resolves an import. The user's own settings decide, except for names that must mean the same to the stage and to the
 * toolkit. A name that the settings lack, or map to an address that no worker may load, resolves to the toolkit's
 * target if there is one.
 *
 * @param own Deno's resolution of the name by the user's settings
 */
export function resolveName(
  written: string,
  own: string | undefined,
  names: Readonly<Record<string, string>>,
): Target {
  // A name that is written out as a package, with whatever version, means the same.
  const bare = written.replace(/^(?:npm|jsr):\/?(@?[^@]+)(?:@[^/]*)?/, "$1");
  const name = ALWAYS_OURS.test(bare) ? bare : written;
  const toolkit = fromToolkit(name, names);
  const ours = ALWAYS_OURS.test(name) || own === undefined || own === toolkit || /^(https?|jsr):/.test(own);
  if (ours && toolkit !== undefined) return { url: toolkit, pinned: true };
  if (own === undefined || ALWAYS_OURS.test(name)) return undefined;
  return { url: own, pinned: false };
}

/**
 * Finds the settings above a module, as Deno does.
 * @returns the nearest configuration, the nearest lock, and every file that affects resolution, or would if it existed
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
