import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { readTextIfThere, statIfThere } from "../store/reading.ts";
import manifest from "../../deno.json" with { type: "json" };
import { TOOLKIT_CONFIG } from "./own_files.ts";

/** What one import of a module comes to. */
export type Target = { readonly url: string; readonly pinned: boolean } | undefined;

/** Files of a project that have a say in what names of modules stand for. */
const SETTINGS = ["deno.json", "deno.jsonc", "package.json", "deno.lock"];
/** Values of other copies of these would not be known for what they are. */
const ALWAYS_OURS = /^(noiseline|@noiseline\/noiseline|zod)(\/|$)/;

/**
 * The toolkit's own names, for code from outside it. Of noiseline itself they are the doors of the package that a stage
 * may use while it runs, under the name that the clone has for it and the package's own.
 */
export function toolkitNames(): Record<string, string> {
  const { name: own, exports } = manifest;
  const base = pathToFileURL(TOOLKIT_CONFIG);
  const others = Object.entries(manifest.imports).filter(([name]) => !ALWAYS_OURS.test(name) || name === "zod");
  const doors = ["noiseline", own].flatMap((name) =>
    [[name, exports["."]], [`${name}/data`, exports["./data"]]] as const
  );
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
