import { appendLine, writeAtomically } from "./files.ts";
import { hashFile, isThere, readJsonLines, statIfThere } from "./reading.ts";
import { ignoreTrouble, unlessReadable } from "./trouble.ts";
import { factsOf, type FileFacts, sameFacts } from "./facts.ts";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";

/** A remembered digest and the facts of the file that it was computed from. */
interface Remembered extends FileFacts {
  readonly path: string;
  readonly sha256: string;
}

/** A file below a folder, with its facts as they were just taken. */
export interface FolderFile {
  readonly path: string;
  readonly facts: FileFacts;
}

interface RememberedFolder {
  readonly folder: string;
  /** Digest of the names and facts of all its files. */
  readonly state: string;
  readonly digest: string;
}

/** Clock ticks of file systems are coarse: a file changed within this time of being hashed could look unchanged. */
const SETTLE_MS = 2_000;

/**
 * Digests of files that have not changed since they were hashed, by device, inode, size and both times. A digest is
 * remembered only if the file was already two seconds old when it was hashed. Losing the cache only costs time.
 */
export class DigestCache {
  #known: Map<string, Remembered> | undefined;
  #folders: Map<string, RememberedFolder> | undefined;
  readonly #pending: { readonly path: string; readonly line: string }[] = [];
  #writable = false;

  /** @param foldersPath where digests of whole folders are kept, beside those of files */
  constructor(
    private readonly path: string,
    private readonly foldersPath: string = join(dirname(path), "folders.jsonl"),
  ) {}

  /**
   * SHA-256 of a file's content, from memory where that is safe. Throws where the file cannot be read.
   * @param facts of the file, if they were just taken
   */
  digest(path: string, facts: FileFacts = factsOf(Deno.statSync(path))): string {
    const known = this.#load().get(path);
    this.#writePending();
    if (known !== undefined && sameFacts(known, facts)) return known.sha256;
    const hashedAt = Date.now();
    const sha256 = hashFile(path);
    const after = statIfThere(path);
    const settled = hashedAt - Math.max(facts.mtimeMs, facts.ctimeMs) >= SETTLE_MS;
    if (settled && after !== undefined && sameFacts(factsOf(after), facts)) this.#remember({ path, ...facts, sha256 });
    return sha256;
  }

  /** Whether a file's content has a digest, from memory where that is safe. Of a file that cannot be read it has not. */
  holds(path: string, sha256: string): boolean {
    return unlessReadable(() => this.digest(path), undefined) === sha256;
  }

  /**
   * The digest of a folder's content, from memory if every file is as it was when `compute` last gave it. A hundred
   * thousand files are known again by one digest of their facts, without a line of memory for each to be read.
   */
  folderDigest(folder: string, files: readonly FolderFile[], compute: () => string): string {
    let newest = 0;
    const lines = files.map(({ path, facts: { dev, ino, size, mtimeMs, ctimeMs } }) => {
      newest = Math.max(newest, mtimeMs, ctimeMs);
      return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs} ${path.length}:${path}\n`;
    });
    const state = createHash("sha256").update(lines.join("")).digest("hex");
    const known = this.#loadFolders().get(folder);
    this.#writePending();
    if (known?.state === state) return known.digest;
    const hashedAt = Date.now();
    const digest = compute();
    // As for single files: what changed lately, or since it was looked at, could change again and look the same.
    const same = files.every(({ path, facts }) => {
      const after = unlessReadable(() => Deno.statSync(join(folder, path)), undefined);
      return after !== undefined && sameFacts(factsOf(after), facts);
    });
    if (!same || hashedAt - newest < SETTLE_MS) return digest;
    const entry: RememberedFolder = { folder, state, digest };
    this.#folders!.set(folder, entry);
    this.#write(this.foldersPath, entry);
    return digest;
  }

  #loadFolders(): Map<string, RememberedFolder> {
    if (this.#folders === undefined) {
      const entries = readJsonLines(this.foldersPath).filter(isRememberedFolder);
      this.#folders = new Map(entries.map((entry) => [entry.folder, entry]));
    }
    return this.#folders;
  }

  /** A plan, or a run that is refused, must not bring a store into being; what a first run learns waits for its store. */
  #write(path: string, entry: Remembered | RememberedFolder): void {
    this.#pending.push({ path, line: JSON.stringify(entry) });
    this.#writePending();
  }

  #writePending(): void {
    if (this.#pending.length === 0 || !(this.#writable ||= isThere(dirname(this.path)))) return;
    for (const [path, lines] of Map.groupBy(this.#pending.splice(0), (one) => one.path)) {
      // Losing it costs hashing again; it must not cost the run.
      ignoreTrouble(() => appendLine(path, lines.map(({ line }) => line).join("\n")));
    }
  }

  #load(): Map<string, Remembered> {
    if (this.#known !== undefined) return this.#known;
    this.#known = new Map();
    let lines = 0;
    for (const line of readJsonLines(this.path)) {
      lines++;
      if (isRemembered(line)) this.#known.set(line.path, line);
    }
    // Most lines are about files that were hashed again later.
    if (lines > 1_000 && lines > 4 * this.#known.size) this.#compact();
    return this.#known;
  }

  #remember(entry: Remembered): void {
    this.#known!.set(entry.path, entry);
    this.#write(this.path, entry);
  }

  #compact(): void {
    const lines = [...this.#known!.values()].map((entry) => `${JSON.stringify(entry)}\n`);
    ignoreTrouble(() => writeAtomically(this.path, lines.join("")));
  }
}

function isRememberedFolder(value: unknown): value is RememberedFolder {
  const entry = value as Partial<RememberedFolder> | null;
  return typeof entry === "object" && entry !== null && typeof entry.folder === "string" &&
    typeof entry.state === "string" && typeof entry.digest === "string" && /^[0-9a-f]{64}$/.test(entry.digest);
}

function isRemembered(value: unknown): value is Remembered {
  const entry = value as Partial<Remembered> | null;
  return typeof entry === "object" && entry !== null && typeof entry.path === "string" &&
    typeof entry.sha256 === "string" && /^[0-9a-f]{64}$/.test(entry.sha256) && typeof entry.size === "number";
}
