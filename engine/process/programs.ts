import { delimiter, isAbsolute, join, resolve } from "node:path";
import { didYouMean } from "../../std/did_you_mean.ts";
import { namesIn } from "./process_tree.ts";
import { isThere, realPath, statIfThere } from "../store/reading.ts";

/** A relative folder on the PATH means another program in each folder: whoever wrote a project would choose it. */
const foldersOfPrograms = () => (Deno.env.get("PATH") ?? "").split(delimiter).filter(isAbsolute);

/** Returns the program that a name was meant to be; undefined if none on the PATH is near. */
export function programLike(name: string): string | undefined {
  return didYouMean(name, foldersOfPrograms().flatMap(namesIn));
}

/** Returns the path of a program as a shell finds it, in absolute folders alone; undefined if there is none. */
export function findProgram(name: string, folder: string): string | undefined {
  const places = name.includes("/") ? [resolve(folder, name)] : foldersOfPrograms().map((one) => join(one, name));
  return places.find((place) => {
    // A folder that this process may not read has no programs for it.
    const info = isThere(place) ? statIfThere(realPath(place)) : undefined;
    return info?.isFile === true && (info.mode === null || (info.mode & 0o111) !== 0);
  });
}
