import { dirname, join } from "node:path";
import { flushFolder, makeFolder, syncFolder } from "./files.ts";
import { isThere, realPath } from "./reading.ts";
import { allowWritesBelow } from "./write_roots.ts";

/** Ignores the error for a folder that may be entered but not opened: above the store that is its owner's business. */
function unlessClosed(error: unknown): void {
  if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
}

/**
 * Makes a folder whose files must survive a power cut. They are found afterwards only if the names of all folders above
 * them are on disk, and flushing a file does not promise that.
 */
export function makeDurableFolder(path: string): void {
  if (isThere(path)) return;
  makeDurableFolder(dirname(path));
  makeFolder(path);
  try {
    syncFolder(dirname(path));
  } catch (error) {
    unlessClosed(error);
  }
}

/**
 * As {@linkcode makeDurableFolder}, without blocking this process. The name is flushed even if the folder exists:
 * whoever made it may have been killed before the flush.
 */
async function makeFolderDurably(path: string): Promise<void> {
  const parent = dirname(path);
  if (!isThere(path)) {
    if (!isThere(parent)) await makeFolderDurably(parent);
    makeFolder(path);
  }
  await flushFolder(parent).catch(unlessClosed);
}

/** Makes each folder once per process; a store has thousands of names in a few hundred folders. */
export class FolderMaker {
  readonly #made = new Map<string, Promise<void>>();

  constructor(private readonly make: (path: string) => Promise<void> = makeFolderDurably) {}

  /** Resolves when the folder's name is on disk, also if another caller is making the folder. */
  async ensure(path: string): Promise<void> {
    const made = this.#made.getOrInsertComputed(path, this.make);
    try {
      await made;
    } catch (error) {
      // Another caller may have begun again.
      if (this.#made.get(path) === made) this.#made.delete(path);
      throw error;
    }
  }
}

/** Makes a temporary folder outside of any store; it is removed when disposed of. */
export async function makeTemporaryFolder(): Promise<AsyncDisposable & { readonly folder: string }> {
  const folder = realPath(await Deno.makeTempDir({ prefix: "noiseline-" }));
  allowWritesBelow(folder);
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

/** Lists regular files below a folder, as relative POSIX paths in code-unit order; everything else is `strange`. */
export function listFiles(root: string): { files: string[]; strange: string[] } {
  const files: string[] = [];
  const strange: string[] = [];
  const visit = (folder: string, prefix: string) => {
    for (const entry of Deno.readDirSync(folder)) {
      const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
      if (entry.isDirectory) visit(join(folder, entry.name), path);
      else if (entry.isFile) files.push(path);
      else strange.push(path);
    }
  };
  visit(root, "");
  return { files: files.sort(), strange: strange.sort() };
}
/** Returns a stage's id as a file name. Ids have no + except in values of a matrix, which come after every slash. */
export function fileNameOf(stageId: string): string {
  return stageId.replaceAll("/", "+");
}
