import { hostname } from "node:os";
import { dirname, join } from "node:path";
import type { Lock } from "../keys/stage.ts";
import { isOwn, userFolder } from "../../std/user_folder.ts";
import { linkOrCopy, makeFolder, removeQuietly, rename } from "../store/files.ts";
import { listFiles } from "../store/folders.ts";
import { abandonedIn, newRunId } from "../store/run_ids.ts";
import { entriesOf, isThere, sha256Of } from "../store/reading.ts";
import { isIoError, isMachineError, MisplacedError } from "../store/io_errors.ts";
import { allowWritesBelow } from "../store/write_roots.ts";
import { packageName } from "./module_lock.ts";

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * Returns where Deno's cache keeps a package below its registry: a name with capitals in base 32, as some disks ignore
 * case.
 */
function placeOf(name: string): string {
  if (name === name.toLowerCase()) return name;
  const bits = Array.from(new TextEncoder().encode(name), (byte) => byte.toString(2).padStart(8, "0")).join("");
  return `_${bits.match(/.{1,5}/g)!.map((five) => BASE32[parseInt(five.padEnd(5, "0"), 2)]).join("")}`;
}

/**
 * Returns the packages of a lock that Deno's cache has, as paths in the cache: from every registry, and every copy of
 * each.
 */
function found(npm: string, lock: Lock): string[] {
  const all = entriesOf(npm).flatMap(({ name: registry }) =>
    Object.keys(lock.npm ?? {}).flatMap((id) => {
      const place = join(registry, placeOf(packageName(id)));
      // The part after a `_` lists the packages that this package was resolved with.
      const version = id.slice(packageName(id).length + 1).split("_")[0];
      const names = entriesOf(join(npm, place)).map(({ name }) => name);
      return names.filter((name) => name.replace(/_\d+$/, "") === version).map((name) => join(place, name));
    })
  );
  return [...new Set(all)].sort();
}

/** Hard-links the files of packages into a folder of their own, all or none. No store takes part in this. */
function gather(npm: string, packages: readonly string[], place: string, name: string): string {
  const whole = join(place, name);
  if (isThere(whole)) return whole;
  allowWritesBelow(place);
  makeFolder(place);
  // Folders of other hosts stay: this machine cannot tell which processes run there.
  const prefix = `${hostname()}-`;
  abandonedIn(place, prefix).forEach(removeQuietly);
  const fresh = join(place, `${prefix}${newRunId(new Date(), Deno.pid)}-${crypto.randomUUID()}`);
  try {
    makeFolder(fresh);
    for (const one of packages) {
      const { files } = listFiles(join(npm, one));
      const folders = new Set(files.map((file) => dirname(join(fresh, one, file))));
      folders.forEach(makeFolder);
      // If the folder is on another disk, or its disk has no hard links, the files are copied.
      for (const file of files) linkOrCopy(join(npm, one, file), join(fresh, one, file));
    }
    rename(fresh, whole);
  } catch (error) {
    // Another process may have been first.
    if (!isThere(whole)) throw error;
  } finally {
    removeQuietly(fresh);
  }
  return whole;
}

/**
 * Returns a folder that has the packages of a lock and no others. Code may load anything in the package folder that its
 * process is given, without a right: other packages there would be an input that no key covers, and may be somebody's
 * secret. The folder lies in Deno's cache, where hard links cost nothing, or in the user's own cache if Deno's cannot
 * be written.
 */
export function gatherPackages(shared: string, lock: Lock): string {
  const npm = join(shared, "npm");
  const packages = found(npm, lock);
  const name = sha256Of(packages.join("\n"));
  try {
    return gather(npm, packages, join(shared, "noiseline"), name);
  } catch (error) {
    if (!isIoError(error) || isMachineError(error)) throw error;
    const whole = gather(npm, packages, userFolder("npm"), name);
    if (isOwn(dirname(whole))) return whole;
    throw new MisplacedError(`Cannot use ${dirname(whole)}: others may write to it; remove it`);
  }
}
