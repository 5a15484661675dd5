import { join } from "node:path";
import { writeNew } from "../store/files.ts";
import type { Lock, ModuleMap } from "../keys/stage.ts";
import { fileURLToPath } from "node:url";

/** Returns the name in `name@version`; the name may begin with a scope. */
export function packageName(id: string): string {
  const end = id.indexOf("@", 1);
  return end < 0 ? id : id.slice(0, end);
}

/**
 * Writes out the versions of all dependencies. A lock leaves out the version of a dependency that it has only once;
 * beside other packages there may be two versions.
 */
function withVersions(packages: Lock["npm"] = {}): Lock["npm"] {
  const ids = new Map(Object.keys(packages).map((id) => [packageName(id), id]));
  return JSON.parse(
    JSON.stringify(packages),
    (key, value) =>
      /^(dependencies|optional\w+)$/.test(key) && Array.isArray(value)
        ? value.map((name) => ids.get(name) ?? name)
        : value,
  );
}

/**
 * Returns the toolkit's lock with the packages that a stage's code names. Deno could add these packages itself, but
 * would then look up every package of the toolkit again, which needs a network, and would not keep to the user's own
 * lock.
 *
 * @param named the packages that the code names, as `npm:name@version`, each with its id in `own`
 */
export function addToLock(own: Lock, named: ReadonlyMap<string, string>): Lock {
  const toolkit = toolkitLock();
  const versions = [...named].map(([specifier, id]) => [specifier, id.slice(packageName(id).length + 1)]);
  const all = { ...withVersions(own.npm), ...withVersions(toolkit.npm) };
  // A project's lock also has packages that this code does not use.
  const used = allBelow([...named.values(), ...Object.keys(toolkit.npm ?? {})], { npm: all });
  return {
    version: toolkit.version!,
    specifiers: { ...toolkit.specifiers, ...Object.fromEntries(versions) },
    npm: Object.fromEntries(Object.entries(all).filter(([id]) => used.has(id))),
  };
}

/** Returns packages with all their dependencies, by name and version. */
export function allBelow(ids: Iterable<string>, { npm = {} }: Lock): Set<string> {
  const found = new Set(ids);
  // A set's iterator also visits entries that are added during the walk.
  for (const id of found) {
    const { dependencies = [], optionalDependencies = [] } = npm[id] ?? {};
    for (const one of [...dependencies, ...optionalDependencies]) found.add(one.replace(/^.+@npm:/, ""));
  }
  return found;
}

/**
 * Returns the flags under which a worker finds its modules: a custom stage by its own map and lock, the toolkit's code
 * by the toolkit's. The lock is frozen, so that a module that another program brought into Deno's cache is refused.
 */
export function moduleFlags(folder: string, map: ModuleMap | undefined): string[] {
  if (map === undefined) return ["--frozen", `--config=${TOOLKIT_CONFIG}`, `--lock=${TOOLKIT_LOCK}`];
  const { lock, ...names } = map;
  const [namesFile, lockFile] = [join(folder, "import_map.json"), join(folder, "deno.lock")];
  writeNew(namesFile, JSON.stringify(names));
  writeNew(lockFile, JSON.stringify(lock));
  return [
    "--frozen",
    "--no-config",
    "--node-modules-dir=none",
    `--import-map=${namesFile}`,
    `--lock=${lockFile}`,
  ];
}

function toolkitLock(): Lock {
  return JSON.parse(Deno.readTextFileSync(TOOLKIT_LOCK)) as Lock;
}

/** Returns the names of the npm packages with native code that the toolkit itself imports. */
export function nativePackages(): string[] {
  const { specifiers = {}, npm = {} } = toolkitLock();
  const named = Object.entries(specifiers).map(([text, version]) => [packageName(text.replace(/^npm:/, "")), version]);
  return [...new Set(named.filter((id) => npm[id.join("@")]?.os !== undefined).map(([name]) => name!))];
}

/** The toolkit's own folder: the toolkit always runs from files (see `cli/package.ts`). */
export const TOOLKIT_ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

export const TOOLKIT_CONFIG: string = join(TOOLKIT_ROOT, "deno.json");
export const TOOLKIT_LOCK: string = join(TOOLKIT_ROOT, "deno.lock");

/** The toolkit's module that a worker's entry imports, which leads back into the engine. */
export const WORKER_MODULE: string = new URL("../../package/worker.ts", import.meta.url).href;

/** The module that finds the device that a stage computes on. */
export const DEVICE_MODULE: string = new URL("../../stages/shared/device.ts", import.meta.url).href;
