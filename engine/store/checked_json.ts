import { createHash } from "node:crypto";
import { join } from "node:path";
import { removeQuietly, writeAtomically } from "./files.ts";
import { asRecord, entriesOf, readIfThere, statIfThere } from "./reading.ts";

/** A value and the SHA-256 of the text that it was read from. */
export interface Checked {
  readonly value: unknown;
  readonly checksum: string;
}

function sha256(text: string | Uint8Array): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Write a value whose text begins with its own checksum, so that a torn or damaged file is a miss. */
export function writeChecked(path: string, value: unknown): string {
  const json = JSON.stringify(value);
  const checksum = sha256(json);
  writeAtomically(path, asRecord(`${checksum}\n${json}`, path));
  return checksum;
}

/** Undefined where the file cannot be read or is not as it was written. */
export function readChecked(path: string): Checked | undefined {
  const bytes = readIfThere(path);
  if (bytes === undefined) return undefined;
  const cut = bytes.indexOf(10);
  const json = bytes.subarray(cut + 1);
  const checksum = new TextDecoder().decode(bytes.subarray(0, Math.max(cut, 0)));
  if (cut !== 64 || sha256(json) !== checksum) return undefined;
  return { value: JSON.parse(new TextDecoder().decode(json)), checksum };
}

/** Make room for one more of a kind of file, so that a number of them are kept. */
export function dropOldest(folder: string, prefix: string, kept: number): void {
  const entries = entriesOf(folder).filter(({ name }) => name.startsWith(prefix)).map(({ name }) => {
    const path = join(folder, name);
    return { path, time: statIfThere(path)?.mtime?.getTime() ?? 0 };
  });
  for (const { path } of entries.sort((a, b) => b.time - a.time).slice(kept - 1)) removeQuietly(path);
}
