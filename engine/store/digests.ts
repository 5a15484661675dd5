import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { z } from "zod";
import { appendLine } from "./files.ts";
import { factsOf, type FileFacts, hashFile, isThere } from "./reading.ts";
import { readRecords } from "./records.ts";
import { ignoreIoErrors, unlessReadable } from "./io_errors.ts";

/** A remembered digest of a file, or of a folder with all that is in it. */
const rememberedSchema = z.object({
  path: z.string(),
  /** The facts that it was computed from: those of one file as they are, those of many as their digest. */
  state: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

type Remembered = z.output<typeof rememberedSchema>;

/** A file below a folder, with its facts as they were just taken. */
export interface FolderFile {
  readonly path: string;
  readonly facts: FileFacts;
}

/** Clock ticks of file systems are coarse: a file changed within this time of being hashed could look unchanged. */
export const SETTLE_MS = 2_000;

/** Returns one text for the facts of files: those of one as they are. And when the last of them changed. */
function stateOf(files: Iterable<FolderFile>): { readonly state: string; readonly newest: number } {
  const digest = createHash("sha256");
  let [newest, count, line] = [0, 0, ""];
  for (const { path, facts: { dev, ino, size, mtimeMs, ctimeMs } } of files) {
    newest = Math.max(newest, mtimeMs, ctimeMs);
    line = `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs} ${path.length}:${path}`;
    digest.update(count++ === 0 ? line : `\n${line}`);
  }
  return { state: count === 1 ? line : digest.digest("hex"), newest };
}

/**
 * Remembers the digests of files that have not changed since they were hashed, by device, inode, size and both times. A
 * digest is remembered only if the file was already two seconds old when it was hashed. Losing the digests only costs
 * time.
 */
export class Digests {
  #known: Map<string, Remembered> | undefined;
  readonly #pending: string[] = [];
  #writable = false;

  constructor(private readonly path: string) {}

  /**
   * Returns the SHA-256 of a file's content, from memory where that is safe. Throws if the file cannot be read.
   * @param facts the file's facts, if they were just taken
   */
  digest(path: string, facts?: FileFacts): string {
    const taken = facts === undefined ? [] : [facts];
    const look = () => [{ path: "", facts: taken.pop() ?? factsOf(Deno.statSync(path)) }];
    return this.rememberedDigest(path, look, () => hashFile(path));
  }

  /** True if a file's content has a digest, from memory where that is safe; false if the file cannot be read. */
  holds(path: string, sha256: string): boolean {
    return unlessReadable(() => this.digest(path), undefined) === sha256;
  }

  /**
   * Returns the digest of a folder's content, from memory if every file is as it was when `compute` last returned it. A
   * hundred thousand files are recognised by one digest of their facts, without a remembered line for each.
   *
   * @param look takes the facts of the files, one after the other: all of them together would take much memory
   */
  rememberedDigest(folder: string, look: () => Iterable<FolderFile>, compute: () => string): string {
    const { state, newest } = stateOf(look());
    const known = this.#load().get(folder);
    this.#writePending();
    if (known?.state === state) return known.sha256;
    const hashedAt = Date.now();
    const sha256 = compute();
    // A file that changed lately, or since its facts were taken, could change again and look the same.
    if (hashedAt - newest < SETTLE_MS || unlessReadable(() => stateOf(look()).state, "") !== state) return sha256;
    const entry: Remembered = { path: folder, state, sha256 };
    this.#load().set(folder, entry);
    this.#pending.push(JSON.stringify(entry));
    this.#writePending();
    return sha256;
  }

  /** Writes new digests once the store exists: a plan, or a refused run, must not create one, so first digests wait. */
  #writePending(): void {
    if (this.#pending.length === 0 || !(this.#writable ||= isThere(dirname(this.path)))) return;
    // Losing a digest costs hashing again; it must not cost the run.
    ignoreIoErrors(() => appendLine(this.path, this.#pending.splice(0).join("\n")));
  }

  #load(): Map<string, Remembered> {
    return this.#known ??= new Map(readRecords(this.path, rememberedSchema).map((line) => [line.path, line]));
  }

  /** The remembered digests of files and folders that still exist. */
  get current(): Remembered[] {
    return [...this.#load().values()].filter(({ path }) => isThere(path));
  }
}
