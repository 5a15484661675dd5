import { type Diagnostic, errorOf } from "../diagnostic/diagnostic.ts";

/** Error codes of a machine that lacks something or fails, such as a full disk, each with its meaning. */
const MACHINE: Readonly<Record<string, string>> = {
  ENOSPC: "No space left on the disk",
  EDQUOT: "the quota of the disk is used up",
  EIO: "the disk fails",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  EFBIG: "the file would be larger than this shell or its disk allows",
};

/** Something on disk cannot be used as it is; the message says what and where. */
export class MisplacedError extends Error {
  override name = "MisplacedError";
  readonly code = "MISPLACED";
}

/** Error codes of a path that cannot be read or written, each with its meaning. */
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
  EILSEQ: "its name is not UTF-8",
  [new MisplacedError().code]: "",
};

/** Returns the error that came first, where closing what was open has then failed, too. */
export function firstError(error: unknown): unknown {
  return error instanceof SuppressedError ? firstError(error.suppressed) : error;
}

function codeOf(given: unknown): string {
  const error = firstError(given);
  // A process without Deno's permission to write the store is told the same as one that the file system refuses.
  if (error instanceof Deno.errors.NotCapable) return "EACCES";
  // Deno gives these errors no code: the folder of the process, a variable that names a folder, failed imports, and a
  // file that grows too large.
  if (error instanceof Deno.errors.InvalidData && /not valid (?:UTF-8|unicode)/.test(error.message)) return "EILSEQ";
  if (error instanceof TypeError && error.message.includes("(os error 24)")) return "EMFILE";
  if (error instanceof Error && error.message.includes("(os error 27)")) return "EFBIG";
  return (error as { code?: string } | null)?.code ?? "";
}

/** True if an error means that the machine failed, not that the request was wrong. */
export function isMachineError(error: unknown): boolean {
  return Object.hasOwn(MACHINE, codeOf(error));
}

/** True if an error is about the machine or a path and not a bug in this code. A missing file does not count. */
export function isIoError(error: unknown): boolean {
  return isMachineError(error) || (codeOf(error) !== "ENOENT" && Object.hasOwn(PLACE, codeOf(error)));
}

/**
 * Does optional work, such as writing a log line, and ignores errors of the machine or of a path.
 * @returns true if the work was done
 */
export function ignoreIoErrors(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (explainIoError(error) === undefined) throw error;
    return false;
  }
}

/**
 * Reads a file, or returns `otherwise` if the file is missing or unreadable: an unreadable file counts as damaged, so
 * that it is made again. Throws if this process is out of file descriptors, which passes and says nothing about the
 * file.
 */
export function unlessReadable<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return otherwise;
    if (!isIoError(error) || ["EMFILE", "ENFILE"].includes(codeOf(error))) throw error;
    return otherwise;
  }
}

/** Does work on an open file and adds the file's path to system errors, which lack it. */
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

/** Explains in words an error of the machine or of a path. */
export function reasonOf(error: unknown): string {
  return MACHINE[codeOf(error)] ?? (PLACE[codeOf(error)] || (error as Error).message);
}

/** Returns the path that a system error names; the second of two, since that is where something is in the way. */
export function placeOf(error: unknown): string | undefined {
  return /\(os error \d+\)[^']*'(?:.*' -> ')?(.*)'$/s.exec((error as Error).message)?.[1];
}

/** Returns what a user can do about an error of the machine; undefined for other errors. */
export function machineFix(error: unknown): string | undefined {
  if (!isMachineError(error)) return undefined;
  const open = "let more files be open, as by `ulimit -n 1024`";
  const fixes = { EMFILE: open, ENFILE: open, EFBIG: "let it write larger files, as by `ulimit -f unlimited`" };
  const first = fixes[codeOf(error) as keyof typeof fixes] ?? "free some space or repair the disk";
  return `${first}, then run the same command again`;
}

/** Describes an error of the machine or of a path for users; undefined for every other error. */
export function explainIoError(given: unknown): Diagnostic | undefined {
  const error = firstError(given);
  if (!isIoError(error) && !(error instanceof Deno.errors.NotFound)) return undefined;
  const path = placeOf(error);
  const message = path === undefined ? (error as Error).message : `Cannot use ${path}: ${reasonOf(error)}`;
  const machine = machineFix(error);
  if (machine !== undefined) return errorOf("machine", message, machine);
  const fixes: Readonly<Record<string, string>> = {
    EACCES: "change its permissions",
    EPERM: "change its permissions",
    EILSEQ: "rename the folder",
  };
  const fix = fixes[codeOf(error)] ?? "fix what is in the way";
  return errorOf("file-unreadable", message, `${fix}, or use another folder`);
}
