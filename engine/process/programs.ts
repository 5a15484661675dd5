import { basename, delimiter, join, resolve } from "node:path";
import { didYouMean } from "../../std/did_you_mean.ts";
import { namesIn } from "./process_tree.ts";
import { hashFile, isThere, realPath, statIfThere } from "../store/reading.ts";
import { isWithin } from "../store/write_roots.ts";

const PYTHON = /^python(3(\.\d+)?)?$/;
/** Prints a Python's version and place. No environment, site package or file of the user's is read (`-I -S`). */
const ASK = "import sys; print(sys.implementation.name, '%d.%d.%d' % sys.version_info[:3]); print(sys.executable)";

const foldersOfPrograms = () => (Deno.env.get("PATH") ?? "").split(delimiter).filter(Boolean);

/** Returns the program that a name was meant to be; undefined if none on the PATH is near. */
export function programLike(name: string): string | undefined {
  return didYouMean(name, foldersOfPrograms().flatMap(namesIn));
}

/** Returns the path of a program as a shell finds it; undefined if there is none. */
export function findProgram(name: string, folder: string): string | undefined {
  const places = name.includes("/") ? [resolve(folder, name)] : foldersOfPrograms().map((one) => join(one, name));
  return places.find((place) => {
    // A folder that this process may not read has no programs for it.
    const info = isThere(place) ? statIfThere(realPath(place)) : undefined;
    return info?.isFile === true && (info.mode === null || (info.mode & 0o111) !== 0);
  });
}

/** True if a version is that of a Python. */
export function isPython(version: string): boolean {
  return !version.startsWith("sha256:");
}

const asked = new Map<string, readonly [version: string, path: string] | undefined>();

/** Asks a Python for its version, such as `cpython 3.11.7`, and for its path, which its launcher may not be. */
function askPython(path: string, cwd: string) {
  return asked.getOrInsertComputed(path, () => {
    const env = { PATH: Deno.env.get("PATH") ?? "", HOME: Deno.env.get("HOME") ?? "" };
    const { success, stdout } = new Deno.Command(path, { args: ["-I", "-S", "-c", ASK], cwd, clearEnv: true, env })
      .outputSync();
    const [version = "", executable = ""] = new TextDecoder().decode(stdout).split("\n");
    return success && executable !== "" ? [version, executable] as const : undefined;
  });
}

/**
 * Returns what stands for a program in keys, and where it is. A Python is asked for its version, since the same version
 * has other bytes on other machines; any other program has the digest of its file. Nothing in the project is started.
 */
export function interpreterOf(path: string, project: string): readonly [version: string, path: string] {
  const real = realPath(path);
  const mayAsk = PYTHON.test(basename(real)) && !isWithin(real, project);
  return (mayAsk ? askPython(path, project) : undefined) ?? [`sha256:${hashFile(real)}`, path];
}

/** Returns the version that a program has on this machine; undefined if it is not here. */
export function versionHere(path: string, planned: string): string | undefined {
  if (findProgram(path, "/") === undefined) return undefined;
  return isPython(planned) ? askPython(path, "/")?.[0] : `sha256:${hashFile(realPath(path))}`;
}
