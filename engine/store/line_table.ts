import type { z } from "zod";
import { appendLine, closeAppended } from "./files.ts";
import { factsAt, type FileFacts, readLines } from "./reading.ts";
import { parseJson } from "./records.ts";

/** What the lines of a file are. */
export interface LineKind<T> {
  readonly schema: z.ZodType<T>;
  /** The keys by which a line can be found, always the same number of them. */
  readonly keysOf: (line: T) => readonly string[];
  /** What a line looks like as it is written, torn nowhere, with its keys as groups: matching costs less than parsing. */
  readonly pattern: RegExp;
}

/** A line as it was read, and once it was asked for what it says. */
interface Entry<T> {
  readonly keys: readonly string[];
  readonly text: string;
  line?: T | undefined;
}

const decoder = new TextDecoder();

/**
 * Finds lines of an append-only file of JSON lines by key. All of them are read, which costs some microseconds for each;
 * parsing one and holding it to its schema costs far more, so that is left until it is asked for.
 */
export class LineTable<T> {
  #state: FileFacts | undefined;
  /** Oldest first. */
  readonly #entries: Entry<T>[] = [];
  /** The same by key, for each kind of key that was asked for. */
  readonly #byKey: Map<string, Entry<T>[]>[] = [];

  constructor(private readonly path: string, private readonly kind: LineKind<T>) {
    this.#state = factsAt(path);
    // A file that was removed while it was open for appending would get its lines where nobody finds them.
    if (this.#state === undefined) closeAppended(path);
    for (const { bytes } of readLines(path)) {
      const text = decoder.decode(bytes);
      const keys = kind.pattern.exec(text)?.slice(1);
      const line = keys === undefined ? parseJson(text, kind.schema) : undefined;
      if (keys !== undefined) this.#entries.push({ keys, text });
      else if (line !== undefined) this.add(line);
    }
  }

  /** What is known here of the file: while it is the same one with no more in it, there is nothing new to find. */
  get state(): FileFacts | undefined {
    return this.#state;
  }

  /** All lines with a key, oldest first. What a crash may have torn, or is of another shape, counts as never said. */
  find(which: number, key: string): readonly T[] {
    const lines = this.#with(which, key).map((entry) => entry.line ??= parseJson(entry.text, this.kind.schema));
    return lines.filter((line) => line !== undefined && this.kind.keysOf(line)[which] === key) as T[];
  }

  /** Whether a line has the key, as far as its pattern tells: good for what a wrong yes cannot spoil. */
  seems(which: number, key: string): boolean {
    return this.#with(which, key).length > 0;
  }

  /** Append a line to the file. */
  append(line: T): void {
    const bytes = appendLine(this.path, JSON.stringify(line));
    const [before, now] = [this.#state, factsAt(this.path)];
    const isSame = before === undefined || before.ino === now?.ino;
    // Not simply what the file is now: another process may have added lines that are not known here.
    this.#state = now && isSame ? { ...now, size: (before?.size ?? 0) + bytes } : undefined;
  }

  /** Tell of a line that this process has appended, or would have. */
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
