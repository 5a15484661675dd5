import { dirname, join } from "node:path";
import { flushFolder, makeFolder, syncFolder } from "./files.ts";
import { isThere, realPath } from "./reading.ts";
import { openRoot } from "./roots.ts";

/** A folder that may be entered but not listed cannot be opened; what is above the store is its owner's business. */
function unlessClosed(error: unknown): void {
  if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
}

/**
 * Make a folder for what must outlive a power cut. A file is found after one only if the names of all folders above it
 * are on disk, and flushing the file does not promise that.
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
 * As {@linkcode makeDurableFolder}, while other work goes on. The name is flushed also where the folder is there:
 * whoever made it may have been killed before it was.
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

  /** Whoever waits for it finds the folder's name on disk, also if somebody else is at it. */
  async ensure(path: string): Promise<void> {
    const made = this.#made.getOrInsertComputed(path, this.make);
    try {
      await made;
    } catch (error) {
      // Somebody else may have begun anew.
      if (this.#made.get(path) === made) this.#made.delete(path);
      throw error;
    }
  }
}

/** A folder outside of any store, to write to; it goes when this is disposed of. */
export async function makeTemporaryFolder(): Promise<AsyncDisposable & { readonly folder: string }> {
  const folder = realPath(await Deno.makeTempDir({ prefix: "noiseline-" }));
  openRoot(folder);
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

/** Regular files below a folder, as relative POSIX paths in code-unit order; anything else is reported by name. */
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
/** A stage's id as one name of a file; ids have no +, but for values of a matrix, which come after every slash. */
export function fileNameOf(stageId: string): string {
  return stageId.replaceAll("/", "+");
}
