/** Writes and reads records, as JSON files and as lines of files. */
import { dirname, join } from "node:path";
import type { z } from "zod";
import { appendLine, makeFolder, removeQuietly, setMode, writeAtomically } from "./files.ts";
import { asRecord, entriesOf, readIfThere, readLines, readTextIfThere, sha256Of, statIfThere } from "./reading.ts";
import { allowWritesBelow } from "./write_roots.ts";
import { ignoreIoErrors } from "./io_errors.ts";

/**
 * Returns the text of a record that fills one JSON file.
 * @throws MisplacedError if the text is too large to be read again
 */
export function recordText<T extends z.ZodType>(path: string, schema: T, record: z.input<T>): string {
  return asRecord(`${JSON.stringify(schema.parse(record))}\n`, path);
}

/** Reads a record that fills one JSON file. A record that is missing, torn or of another shape counts as absent. */
export function readRecord<T extends z.ZodType>(path: string, schema: T): z.output<T> | undefined {
  const text = readTextIfThere(path);
  return text === undefined ? undefined : parseJson(text, schema);
}

/** Matches `__proto__`, which Zod drops silently, and `\u` escapes, in which any name can be spelled. */
const MAY_HIDE = /__proto__|\\u/;

function refuseHidden(name: string, value: unknown): unknown {
  if (name === "__proto__") throw new SyntaxError("__proto__ is not a name");
  return value;
}

/** Parses a text; undefined if it is not JSON, has another shape, or has a name that would be dropped silently. */
export function parseJson<T extends z.ZodType>(text: string, schema: T): z.output<T> | undefined {
  try {
    return schema.safeParse(JSON.parse(text, MAY_HIDE.test(text) ? refuseHidden : undefined)).data;
  } catch {
    return undefined;
  }
}

/** Reads the records of a JSON-lines file. Lines that a crash tore, or of another shape, count as absent. */
export function readRecords<T>(path: string, schema: z.ZodType<T>): T[] {
  return readRecordsFrom(path, schema).rows;
}

/**
 * Reads the records of a JSON-lines file from a byte on.
 * @param most the number of records at a time
 * @returns the records, and the byte to continue from
 */
export function readRecordsFrom<T>(path: string, schema: z.ZodType<T>, from: number = 0, most: number = Infinity) {
  const decoder = new TextDecoder();
  const rows: T[] = [];
  let next = from;
  for (const { offset, bytes } of readLines(path, from)) {
    next = offset + bytes.length + 1;
    const row = parseJson(decoder.decode(bytes), schema);
    if (row !== undefined) rows.push(row);
    if (rows.length === most) break;
  }
  return { rows, next };
}

/** A log with one record per line, oldest first. No record decides what is cached, so a full disk costs only a line. */
export class RecordLog<T> {
  constructor(private readonly path: string, private readonly schema: z.ZodType<T>) {}

  all(): T[] {
    return readRecords(this.path, this.schema);
  }

  add(record: T): void {
    ignoreIoErrors(() => appendLine(this.path, JSON.stringify(record)));
  }
}

/**
 * Writes a value as text that begins with its own checksum, so that a torn or damaged file is a miss.
 * @returns the checksum
 */
export function writeChecked(path: string, value: unknown): string {
  const json = JSON.stringify(value);
  const checksum = sha256Of(json);
  writeAtomically(path, asRecord(`${checksum}\n${json}`, path));
  return checksum;
}

/**
 * Reads a file that {@linkcode writeChecked} wrote; undefined if it cannot be read or has changed since.
 * @returns the value, and the SHA-256 of the text that it was read from
 */
export function readChecked(path: string) {
  const bytes = readIfThere(path);
  if (bytes === undefined) return undefined;
  const cut = bytes.indexOf(10);
  const json = bytes.subarray(cut + 1);
  const checksum = new TextDecoder().decode(bytes.subarray(0, Math.max(cut, 0)));
  if (cut !== 64 || sha256Of(json) !== checksum) return undefined;
  return { value: JSON.parse(new TextDecoder().decode(json)) as unknown, checksum };
}

/** Writes a file in this user's cache, which nobody else may read or change. If the file is lost, it is made again. */
export function writePrivately(path: string, write: () => void): void {
  ignoreIoErrors(() => {
    const folder = dirname(path);
    allowWritesBelow(folder);
    makeFolder(folder);
    setMode(folder, 0o700);
    write();
    setMode(path, 0o600);
  });
}

/** Makes room for one more file with a prefix, so that `kept` of them remain. */
export function dropOldest(folder: string, prefix: string, kept: number): void {
  const entries = entriesOf(folder).filter(({ name }) => name.startsWith(prefix)).map(({ name }) => {
    const path = join(folder, name);
    return { path, time: statIfThere(path)?.mtime?.getTime() ?? 0 };
  });
  for (const { path } of entries.sort((a, b) => b.time - a.time).slice(kept - 1)) removeQuietly(path);
}
