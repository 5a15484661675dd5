import type { z } from "zod";
import { appendLine, closeAppended } from "./files.ts";
import { factsAt, type FileFacts, readLines } from "./reading.ts";
import { parseJson } from "./records.ts";

/** The format of the lines of a file. */
export interface LineKind<T> {
  readonly schema: z.ZodType<T>;
  /** The keys by which a line can be found; every line has the same number of them. */
  readonly keysOf: (line: T) => readonly string[];
  /** Matches a line as it is written, if it is complete, with its keys as groups: matching costs less than parsing. */
  readonly pattern: RegExp;
}

/** A line as text, and its parsed value once somebody has asked for it. */
interface Entry<T> {
  readonly keys: readonly string[];
  readonly text: string;
  line?: T | undefined;
}

const decoder = new TextDecoder();

/**
 * Finds lines of an append-only file of JSON lines by key. All lines are read, which costs some microseconds for each;
 * parsing a line and checking it against its schema costs far more, so that is left until the line is asked for.
 */
export class LineTable<T> {
  /** Facts of the file as far as its lines are known here: while the file still has these, there is no new line. */
  state: FileFacts | undefined;
  /** All lines, oldest first. */
  readonly #entries: Entry<T>[] = [];
  /** The lines by key, for each kind of key that was asked for. */
  readonly #byKey: Map<string, Entry<T>[]>[] = [];

  constructor(private readonly path: string, private readonly kind: LineKind<T>) {
    this.state = factsAt(path);
    // If a file was removed while it was open for appending, further lines would be written where nobody finds them.
    if (this.state === undefined) closeAppended(path);
    for (const { bytes } of readLines(path)) {
      const text = decoder.decode(bytes);
      const keys = kind.pattern.exec(text)?.slice(1);
      const line = keys === undefined ? parseJson(text, kind.schema) : undefined;
      if (keys !== undefined) this.#entries.push({ keys, text });
      else if (line !== undefined) this.add(line);
    }
  }

  /** Returns all lines with a key, oldest first. Lines that a crash tore, or of another shape, are left out. */
  find(which: number, key: string): readonly T[] {
    const lines = this.#with(which, key).map((entry) => entry.line ??= parseJson(entry.text, this.kind.schema));
    return lines.filter((line) => line !== undefined && this.kind.keysOf(line)[which] === key) as T[];
  }

  /** True if a line has the key as far as its pattern tells: for uses where a false positive does no harm. */
  seems(which: number, key: string): boolean {
    return this.#with(which, key).length > 0;
  }

  /** Appends a line to the file. */
  append(line: T): void {
    const bytes = appendLine(this.path, JSON.stringify(line));
    const [before, now] = [this.state, factsAt(this.path)];
    const isSame = before === undefined || before.ino === now?.ino;
    // Not simply the present facts of the file: another process may have added lines that are not known here.
    this.state = now && isSame ? { ...now, size: (before?.size ?? 0) + bytes } : undefined;
  }

  /** Adds a line to the table alone; `append` writes it to the file. */
  add(line: T): void {
    const entry = { keys: this.kind.keysOf(line), text: "", line };
    this.#entries.push(entry);
    this.#byKey.forEach((known, which) => known.getOrInsert(entry.keys[which]!, []).push(entry));
  }

  #with(which: number, key: string): readonly Entry<T>[] {
    const known = this.#byKey[which] ??= Map.groupBy(this.#entries, ({ keys }) => keys[which]!);
    return known.get(key) ?? [];
  }
}
