import { dirname, join } from "node:path";
import type { FileEntry } from "../../schemas/records.ts";
import {
  copyFile,
  flushAndHash,
  flushFolder,
  linkOrCopy,
  makeFolder,
  moveDurably,
  setAside,
  setMode,
} from "./files.ts";
import { holds, isThere, statIfThere } from "./reading.ts";
import { inside } from "./write_roots.ts";
import { FolderMaker } from "./folders.ts";
import { isTooLargeToCopy } from "./metadata_guard.ts";
import type { Digests } from "./digests.ts";

const READ_ONLY = 0o444;

/**
 * Files by content: an object's name is the SHA-256 of its content. An object that is known not to match its name is
 * never served. It is hashed again when its facts have changed, and by `verify`.
 */
export class ObjectStore {
  readonly #folders = new FolderMaker();

  constructor(private readonly root: string, private readonly digests: Digests) {}

  pathOf(sha256: string): string {
    return join(this.root, sha256.slice(0, 2), sha256);
  }

  /** A quick check: true if there is a file of the right size. */
  has({ sha256, size }: Pick<FileEntry, "sha256" | "size">): boolean {
    const info = statIfThere(this.pathOf(sha256));
    return info !== undefined && info.isFile && info.size === size;
  }

  /**
   * True if the object's content matches its name. It is hashed only if its facts have changed since the last time. An
   * object that cannot be read does not match.
   */
  verify(entry: FileEntry): boolean {
    return this.has(entry) && this.digests.holds(this.pathOf(entry.sha256), entry.sha256);
  }

  /**
   * Moves a finished file into the store. The file's content is durable before its name is, and both are when this
   * resolves. An object that is already there is kept if it is good, and replaced if it is not.
   */
  async take(file: string, size: number): Promise<{ sha256: string; size: number; moved: boolean }> {
    const sha256 = await flushAndHash(file);
    const target = this.pathOf(sha256);
    if (isThere(target) && this.has({ size, sha256 }) && holds(target, sha256)) {
      await flushFolder(dirname(target));
      return { sha256, size, moved: false };
    }
    await this.#folders.ensure(dirname(target));
    setMode(file, READ_ONLY);
    await moveDurably(file, target);
    return { sha256, size, moved: true };
  }

  /** Makes sure that names of existing objects are on disk: whoever put them there may not have flushed them yet. */
  async flushNames(files: Iterable<FileEntry>): Promise<void> {
    const folders = new Set(Array.from(files, ({ sha256 }) => dirname(this.pathOf(sha256))));
    await Promise.all(Array.from(folders, (folder) => flushFolder(folder)));
  }

  /** Sets a broken object aside, so that the next `take` replaces it. */
  quarantine(sha256: string): void {
    const path = this.pathOf(sha256);
    if (statIfThere(path) !== undefined) setAside(path);
  }

  /**
   * Lays out an artifact's files below a folder that their reader may see but not write.
   * @param trusted true if the reader's code is known to leave the files as they are
   */
  layOut(files: readonly FileEntry[], folder: string, trusted: boolean): void {
    const place = trusted || isTooLargeToCopy(files) ? linkOrCopy : copyFile;
    const folders = new Set([folder, ...files.map(({ path }) => dirname(inside(folder, path)))]);
    for (const one of folders) makeFolder(one);
    for (const { path, sha256 } of files) place(this.pathOf(sha256), inside(folder, path));
  }
}
