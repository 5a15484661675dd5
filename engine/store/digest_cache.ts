import { appendLine, hashFile, ignoreTrouble, readJsonLines, statIfThere, writeAtomically } from "./files.ts";
import { dirname } from "node:path";

/** A remembered digest and the facts of the file that it was computed from. */
interface Remembered {
  readonly path: string;
  readonly dev: number;
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly sha256: string;
}

/** Clock ticks of file systems are coarse: a file changed within this time of being hashed could look unchanged. */
const SETTLE_MS = 2_000;

function factsOf(info: Deno.FileInfo): Omit<Remembered, "path" | "sha256"> {
  return {
    dev: info.dev ?? 0,
    ino: info.ino ?? 0,
    size: info.size,
    mtimeMs: info.mtime?.getTime() ?? 0,
    ctimeMs: info.ctime?.getTime() ?? 0,
  };
}

/**
 * Digests of files that have not changed since they were hashed, by device, inode, size and both times. A digest is
 * remembered only if the file was already two seconds old when it was hashed. Losing the cache only costs time.
 */
export class DigestCache {
  readonly #path: string;
  #known: Map<string, Remembered> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** SHA-256 of a file's content, from memory where that is safe. Throws where the file cannot be read. */
  digest(path: string): string {
    const info = Deno.statSync(path);
    const facts = factsOf(info);
    const known = this.#load().get(path);
    if (known !== undefined && sameFacts(known, facts)) return known.sha256;
    const hashedAt = Date.now();
    const sha256 = hashFile(path);
    const after = statIfThere(path);
    const settled = hashedAt - Math.max(facts.mtimeMs, facts.ctimeMs) >= SETTLE_MS;
    if (settled && after !== undefined && sameFacts(factsOf(after), facts)) this.#remember({ path, ...facts, sha256 });
    return sha256;
  }

  #load(): Map<string, Remembered> {
    if (this.#known !== undefined) return this.#known;
    this.#known = new Map();
    let lines = 0;
    for (const line of readJsonLines(this.#path)) {
      lines++;
      if (isRemembered(line)) this.#known.set(line.path, line);
    }
    // Most lines are about files that were hashed again later.
    if (lines > 1_000 && lines > 4 * this.#known.size) this.#compact();
    return this.#known;
  }

  #remember(entry: Remembered): void {
    this.#known!.set(entry.path, entry);
    // A plan, or a run that is refused, must not bring a store into being.
    if (statIfThere(dirname(this.#path)) === undefined) return;
    ignoreTrouble(() => appendLine(this.#path, JSON.stringify(entry)));
  }

  #compact(): void {
    const lines = [...this.#known!.values()].map((entry) => `${JSON.stringify(entry)}\n`);
    ignoreTrouble(() => writeAtomically(this.#path, lines.join("")));
  }
}

function sameFacts(a: Omit<Remembered, "path" | "sha256">, b: Omit<Remembered, "path" | "sha256">): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs;
}

function isRemembered(value: unknown): value is Remembered {
  const entry = value as Partial<Remembered> | null;
  return typeof entry === "object" && entry !== null && typeof entry.path === "string" &&
    typeof entry.sha256 === "string" && /^[0-9a-f]{64}$/.test(entry.sha256) && typeof entry.size === "number";
}
