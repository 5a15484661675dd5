/** Records as files and as lines of files: how they are written, and what counts as read. */
import { dirname, join } from "node:path";
import type { z } from "zod";
import { appendLine, makeFolder, removeQuietly, setMode, writeAtomically } from "./files.ts";
import { asRecord, entriesOf, readIfThere, readLines, readTextIfThere, sha256Of, statIfThere } from "./reading.ts";
import { openRoot } from "./roots.ts";
import { ignoreTrouble } from "./trouble.ts";

/** The text of a record of one JSON file. @throws Misplaced for one that is too large to be read again */
export function recordText<T extends z.ZodType>(path: string, schema: T, record: z.input<T>): string {
  return asRecord(`${JSON.stringify(schema.parse(record))}\n`, path);
}

/** Read a record of one JSON file. One that is missing, torn or of another shape counts as absent. */
export function readRecord<T extends z.ZodType>(path: string, schema: T): z.output<T> | undefined {
  const text = readTextIfThere(path);
  return text === undefined ? undefined : parseJson(text, schema);
}

/** A name that Zod passes over without a word, and how any may be spelled. */
const MAY_HIDE = /__proto__|\\u/;

function refuseHidden(name: string, value: unknown): unknown {
  if (name === "__proto__") throw new SyntaxError("__proto__ is not a name");
  return value;
}

/** What a text says; undefined where it is no JSON, of another shape, or has a name that would be dropped unseen. */
export function parseJson<T extends z.ZodType>(text: string, schema: T): z.output<T> | undefined {
  try {
    return schema.safeParse(JSON.parse(text, MAY_HIDE.test(text) ? refuseHidden : undefined)).data;
  } catch {
    return undefined;
  }
}

/** The records of a JSON-lines file. Lines that a crash tore, or of another shape, count as absent. */
export function readRecords<T>(path: string, schema: z.ZodType<T>): T[] {
  return readRecordsFrom(path, schema).rows;
}

/** The records of a JSON-lines file from a byte on, and the byte to go on from. @param most records at a time */
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

/** Records of one shape, a line each, oldest first. Nothing decides by them what is cached, so a full disk costs a line. */
export class RecordLog<T> {
  constructor(private readonly path: string, private readonly schema: z.ZodType<T>) {}

  all(): T[] {
    return readRecords(this.path, this.schema);
  }

  add(record: T): void {
    ignoreTrouble(() => appendLine(this.path, JSON.stringify(record)));
  }
}

/** Write a value whose text begins with its own checksum, so that a torn or damaged file is a miss. */
export function writeChecked(path: string, value: unknown): string {
  const json = JSON.stringify(value);
  const checksum = sha256Of(json);
  writeAtomically(path, asRecord(`${checksum}\n${json}`, path));
  return checksum;
}

/**
 * Undefined where the file cannot be read or is not as it was written.
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

/** Keep a file in this user's cache, which nobody else may read or change. Losing it costs that it is made again. */
export function keepOwn(path: string, write: () => void): void {
  ignoreTrouble(() => {
    const folder = dirname(path);
    openRoot(folder);
    makeFolder(folder);
    setMode(folder, 0o700);
    write();
    setMode(path, 0o600);
  });
}

/** Make room for one more of a kind of file, so that a number of them are kept. */
export function dropOldest(folder: string, prefix: string, kept: number): void {
  const entries = entriesOf(folder).filter(({ name }) => name.startsWith(prefix)).map(({ name }) => {
    const path = join(folder, name);
    return { path, time: statIfThere(path)?.mtime?.getTime() ?? 0 };
  });
  for (const { path } of entries.sort((a, b) => b.time - a.time).slice(kept - 1)) removeQuietly(path);
}
