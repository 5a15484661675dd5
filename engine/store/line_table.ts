import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import type { z } from "zod";
import { appendLine, closeAppended, writeAtomically } from "./files.ts";
import { factsAt, factsOf, type FileFacts, fill, openPlain, readIfThere, readLines, statIfThere } from "./reading.ts";
import { ignoreTrouble, unlessReadable } from "./trouble.ts";
import { parseJson } from "./records.ts";

/** What the lines of a file are. */
export interface LineKind<T> {
  /** It changes nothing of a value, since a line that is in the table is not held to it a second time. */
  readonly schema: z.ZodType<T>;
  /** The keys by which a line can be found, always the same number of them. */
  readonly keysOf: (line: T) => readonly string[];
}

/**
 * Raised when the layout changes. All of the numbers are read as they lie in memory, so a table is of use to machines of
 * one byte order: on another this is another number.
 */
const FORMAT = 3;
/** Numbers: format, size of the part of the file that is told of, lines, keys, device and inode. */
const HEADER = 6;
const DIGEST_BYTES = 32;
const BLOCK_BYTES = 64 << 10;
const MAX_BLOCKS = 64;
/** Lines after the table that are parsed by every process; writing the table anew costs more than parsing a few. */
const MIN_TAIL = 64;
const MAX_TAIL_SHARE = 0.02;
/** Of ten million lines; a larger table is not read. */
const MAX_TABLE_BYTES = 2 ** 30;

/** The lines of the file's beginning: where each is, a check of its bytes, and by each key which lines have it. */
type Table = Readonly<ReturnType<typeof layOut>>;

/** cyrb53 (bryc, public domain): 53 bits, so that a hash is a plain number. Against accidents, not against an attacker. */
function hash53(bytes: Uint8Array): number {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    a = Math.imul(a ^ byte, 2654435761);
    b = Math.imul(b ^ byte, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return 4294967296 * (2097151 & b) + (a >>> 0);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const hashText = (text: string) => hash53(encoder.encode(text));

interface Found<T> extends Readonly<Record<"offset" | "length" | "check", number>> {
  readonly line: T;
}

/**
 * Finds lines of an append-only file of JSON lines by key, without reading or parsing the others. The table that makes
 * this possible lies beside the file and is only ever a hint: it begins with its own digest, belongs to one inode, and
 * vouches for every line byte by byte, since only lines that fit the schema get into it. Where anything of that does not
 * hold, the file itself is read. What was appended since the table was written is parsed as it is met.
 */
export class LineTable<T> {
  #table: Table | undefined;
  #state: FileFacts | undefined;
  readonly #parsed = new Map<number, T>();
  /** Lines beyond the table, by kind of key and key. */
  #recent: Map<string, T[]>[] = [];
  readonly #added: T[] = [];
  readonly #blocks = new Map<number, Uint8Array>();

  /** @param keys how many keys a line has */
  constructor(
    private readonly path: string,
    private readonly tablePath: string,
    private readonly keys: number,
    private readonly kind: LineKind<T>,
  ) {
    this.#load(true);
  }

  /** How many lines the table has. */
  get size(): number {
    return this.#table?.offsets.length ?? 0;
  }

  /** What is known here of the file: while it is the same one with no more in it, there is nothing new to find. */
  get state(): FileFacts | undefined {
    return this.#state;
  }

  /** All lines with a key, oldest first. */
  find(which: number, key: string): readonly T[] {
    const recent = this.#recent[which]!.get(key) ?? [];
    const older: T[] = [];
    for (const index of this.#linesOf(which, key)) {
      const line = this.#line(index);
      if (line === undefined) {
        // The file is not what the table says: from here on only the file counts.
        this.#load(false);
        return this.#recent[which]!.get(key) ?? [];
      }
      if (this.kind.keysOf(line)[which] === key) older.push(line);
    }
    return [...older, ...recent];
  }

  /** Whether a line has the key, as far as hashes tell: good for what a wrong yes cannot spoil. */
  seems(which: number, key: string): boolean {
    return this.#recent[which]!.has(key) || !this.#linesOf(which, key).next().done;
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
    this.#added.push(line);
    this.#enter(line);
  }

  #enter(line: T): void {
    this.kind.keysOf(line).forEach((key, which) => {
      this.#recent[which]!.getOrInsert(key, []).push(line);
    });
  }

  #load(useTable: boolean): void {
    this.#recent = Array.from({ length: this.keys }, () => new Map<string, T[]>());
    this.#parsed.clear();
    this.#blocks.clear();
    const info = statIfThere(this.path);
    this.#state = info && factsOf(info);
    // A file that was removed while it was open for appending would get its lines where nobody finds them.
    if (info === undefined) closeAppended(this.path);
    this.#table = useTable && info !== undefined ? this.#readTable(info) : undefined;
    const { found, end } = this.#readTail(this.#table?.size ?? 0);
    for (const { line } of found) this.#enter(line);
    // Most of these are in the file by now; twice the same says the same.
    for (const line of this.#added) this.#enter(line);
    if (info !== undefined && found.length > Math.max(MIN_TAIL, this.size * MAX_TAIL_SHARE)) {
      this.#writeTable(info, found, end);
    }
  }

  *#linesOf(which: number, key: string): Generator<number> {
    if (this.#table === undefined) return;
    const { hashes, lines } = this.#table.byKey[which]!;
    const wanted = hashText(key);
    let low = 0;
    for (let high = hashes.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (hashes[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    for (; hashes[low] === wanted; low++) yield lines[low]!;
  }

  #line(index: number): T | undefined {
    const known = this.#parsed.get(index);
    if (known !== undefined) return known;
    const { offsets, lengths, checks } = this.#table!;
    const bytes = this.#bytes(offsets[index]!, lengths[index]!);
    if (hash53(bytes) !== checks[index]) return undefined;
    const line = JSON.parse(decoder.decode(bytes)) as T;
    this.#parsed.set(index, line);
    return line;
  }

  #bytes(offset: number, length: number): Uint8Array {
    const block = Math.floor(offset / BLOCK_BYTES);
    const start = offset - block * BLOCK_BYTES;
    // A line that goes on in the next block is read by itself.
    if (start + length > BLOCK_BYTES) return readRange(this.path, offset, length);
    return this.#block(block).subarray(start, start + length);
  }

  /** Lines are asked for in about the order in which they were written, a few places of the file at a time. */
  #block(number: number): Uint8Array {
    if (!this.#blocks.has(number) && this.#blocks.size >= MAX_BLOCKS) this.#blocks.clear();
    return this.#blocks.getOrInsertComputed(number, () => readRange(this.path, number * BLOCK_BYTES, BLOCK_BYTES));
  }

  /** Parse what follows the table. A last line without its break may still be being written. */
  #readTail(from: number): { found: Found<T>[]; end: number } {
    const found: Found<T>[] = [];
    let end = from;
    for (const { offset, bytes } of readLines(this.path, from)) {
      // A crash may have torn this line; what it would have said counts as never said.
      const line = parseJson(decoder.decode(bytes), this.kind.schema);
      if (line !== undefined) found.push({ offset, length: bytes.length, check: hash53(bytes), line });
      end = offset + bytes.length + 1;
    }
    return { found, end };
  }

  #readTable(info: Deno.FileInfo): Table | undefined {
    const bytes = readIfThere(this.tablePath, MAX_TABLE_BYTES);
    if (bytes === undefined || bytes.length < DIGEST_BYTES + 8 * HEADER) return undefined;
    if (!digestOf(bytes).equals(bytes.subarray(0, DIGEST_BYTES))) return undefined;
    const numbers = new Float64Array(bytes.buffer, DIGEST_BYTES);
    const [format, size, , keys, dev, ino] = numbers;
    const fits = format === FORMAT && keys === this.keys && size! <= info.size && dev === (info.dev ?? 0) &&
      ino === (info.ino ?? 0);
    return fits ? layOut(numbers) : undefined;
  }

  #writeTable(info: Deno.FileInfo, found: readonly Found<T>[], end: number): void {
    if (statIfThere(dirname(this.tablePath)) === undefined) return;
    const old = this.#table;
    const known = this.size;
    const count = known + found.length;
    const bytes = new Uint8Array(DIGEST_BYTES + 8 * (HEADER + count * (3 + 2 * this.keys)));
    const numbers = new Float64Array(bytes.buffer, DIGEST_BYTES);
    numbers.set([FORMAT, end, count, this.keys, info.dev ?? 0, info.ino ?? 0]);
    const table = layOut(numbers);
    const fill = (column: "offsets" | "lengths" | "checks", values: readonly number[]) => {
      if (old !== undefined) table[column].set(old[column]);
      table[column].set(values, known);
    };
    fill("offsets", found.map(({ offset }) => offset));
    fill("lengths", found.map(({ length }) => length));
    fill("checks", found.map(({ check }) => check));
    table.byKey.forEach(({ hashes, lines }, which) => {
      const all = new Float64Array(count);
      const before = old?.byKey[which];
      before?.lines.forEach((line, index) => all[line] = before.hashes[index]!);
      found.forEach(({ line }, index) => all[known + index] = hashText(this.kind.keysOf(line)[which]!));
      lines.set(Uint32Array.from(all, (_, index) => index).sort((a, b) => all[a]! - all[b]! || a - b));
      lines.forEach((line, index) => hashes[index] = all[line]!);
    });
    bytes.set(digestOf(bytes));
    ignoreTrouble(() => writeAtomically(this.tablePath, bytes));
  }
}

function digestOf(table: Uint8Array): Buffer {
  return createHash("sha256").update(table.subarray(DIGEST_BYTES)).digest();
}

function layOut(numbers: Float64Array) {
  const [, size, count, keys] = numbers as unknown as [number, number, number, number];
  const column = (index: number) => numbers.subarray(HEADER + index * count).subarray(0, count);
  // By kind of key: hashes in rising order, and the line of each; lines of equal hash in their own order.
  const byKey = Array.from({ length: keys }, (_, key) => ({ hashes: column(3 + 2 * key), lines: column(4 + 2 * key) }));
  return { size, offsets: column(0), lengths: column(1), checks: column(2), byKey };
}

/** Bytes of a file from an offset on; fewer than wanted, or none, where it ends before. */
function readRange(path: string, offset: number, length: number): Uint8Array {
  using file = unlessReadable(() => openPlain(path), undefined);
  file?.seekSync(offset, Deno.SeekMode.Start);
  return file === undefined ? new Uint8Array() : fill(new Uint8Array(length), file);
}
