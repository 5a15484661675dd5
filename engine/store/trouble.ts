import { type Diagnostic, errorOf } from "../diagnostic/diagnostic.ts";

/** Errors of a machine that lacks something or fails, such as a full disk, and what they are called. */
const MACHINE: Readonly<Record<string, string>> = {
  ENOSPC: "No space left on the disk",
  EDQUOT: "the quota of the disk is used up",
  EIO: "the disk fails",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
};

/** Something lies on disk that cannot be used as it is; the message says what and where. */
export class Misplaced extends Error {
  override name = "Misplaced";
  readonly code = "MISPLACED";
}

/** Errors of a place that cannot be read or written. */
const PLACE: Readonly<Record<string, string>> = {
  EROFS: "its file system is read-only",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOENT: "no such file or folder",
  ENOTDIR: "a part of its path is not a folder",
  EISDIR: "it is a folder",
  EEXIST: "something else already has its name",
  ENOTEMPTY: "a folder already has its name",
  ENAMETOOLONG: "a name in it is too long",
  ELOOP: "its links lead in a circle",
  EINVAL: "a name in it cannot be used",
  ENXIO: "nothing listens there",
  [new Misplaced().code]: "",
};

function codeOf(error: unknown): string {
  // A process that was given only a store to read is to it as one that only may read it.
  if (error instanceof Deno.errors.NotCapable) return "EACCES";
  return (error as { code?: string } | null)?.code ?? "";
}

/** Whether an error says that the machine failed, and nothing of what it was asked to do. */
export function isMachineTrouble(error: unknown): boolean {
  return Object.hasOwn(MACHINE, codeOf(error));
}

/** Errors that say something of the machine or of the place, and nothing of this code. */
export function isEnvironmental(error: unknown): boolean {
  return isMachineTrouble(error) || (codeOf(error) !== "ENOENT" && Object.hasOwn(PLACE, codeOf(error)));
}

/** Do what is good to have but not needed, such as a log line. */
export function ignoreTrouble(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (explainTrouble(error) === undefined) throw error;
  }
}

/**
 * What there is instead where a file may not be read: it counts as damaged, so that it is made again. Of what this process lacks for a moment, such as open files, that cannot be said.
 */
export function unlessReadable<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return otherwise;
    if (!isEnvironmental(error) || ["EMFILE", "ENFILE"].includes(codeOf(error))) throw error;
    return otherwise;
  }
}

/** Do something with a file that is open; errors of the system then do not say which. */
export function locate<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Error && codeOf(error) !== "" && !error.message.includes(path)) {
      error.message += `: '${path}'`;
    }
    throw error;
  }
}

/** In words, what an error of the machine or of a place means. */
export function reasonOf(error: unknown): string {
  return MACHINE[codeOf(error)] ?? (PLACE[codeOf(error)] || (error as Error).message);
}

/** The path that an error of the system names; the second of two, as that is where something is in the way. */
export function placeOf(error: unknown): string | undefined {
  return /\(os error \d+\)[^']*'(?:.*' -> ')?(.*)'$/s.exec((error as Error).message)?.[1];
}

/** What is wrong with the machine or a place, as users are told; undefined for every other error. */
export function explainTrouble(error: unknown): Diagnostic | undefined {
  if (!isEnvironmental(error) && !(error instanceof Deno.errors.NotFound)) return undefined;
  const path = placeOf(error);
  const message = path === undefined ? (error as Error).message : `Cannot use ${path}: ${reasonOf(error)}`;
  if (isMachineTrouble(error)) {
    return errorOf("machine", message, "free some space or repair the disk, then run the same command again");
  }
  const closed = ["EACCES", "EPERM"].includes(codeOf(error));
  const fix = closed ? "change its permissions" : "fix what is in the way";
  return errorOf("file-unreadable", message, `${fix}, or use another folder`);
}
