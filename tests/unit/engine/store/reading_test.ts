import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { z } from "zod";
import {
  hashFile,
  holds,
  MAX_RECORD_BYTES,
  readIfThere,
  readLines,
  statIfThere,
} from "../../../../engine/store/reading.ts";
import { explainIoError, MisplacedError } from "../../../../engine/store/io_errors.ts";
import type { TagRecord } from "../../../../schemas/records.ts";
import { hasProgram } from "../../../support/proc.ts";
import { key, openFreshStore, takeText } from "../support/manifest.ts";
import { makeTempFolder } from "../support/temp.ts";
import { readChecked, readRecord, readRecords } from "../../../../engine/store/records.ts";

/** Returns paths that are not ordinary files, by name. */
function oddFiles(folder: string): Record<string, string> {
  const paths = Object.fromEntries(
    ["folder", "loop", "device", "huge", "pipe"].map((name) => [name, join(folder, name)]),
  );
  Deno.mkdirSync(paths["folder"]!);
  Deno.symlinkSync(paths["loop"]!, paths["loop"]!);
  Deno.symlinkSync("/dev/zero", paths["device"]!);
  Deno.writeTextFileSync(paths["huge"]!, "{}");
  // Three gigabytes of zeros, which take no room on the disk.
  Deno.truncateSync(paths["huge"]!, 3 * 2 ** 30);
  if (hasProgram("mkfifo")) new Deno.Command("mkfifo", { args: [paths["pipe"]!] }).outputSync();
  return { ...paths, "long name": join(folder, "n".repeat(300)), missing: join(folder, "missing") };
}

Deno.test("a record that is a pipe, a device, a folder, or too large counts as absent, at once", async () => {
  await using folder = await makeTempFolder();
  for (const [name, path] of Object.entries(oddFiles(folder.path))) {
    assertEquals(readIfThere(path), undefined, name);
    assertEquals(readRecord(path, z.unknown()), undefined, name);
    assertEquals(readChecked(path), undefined, name);
    if (name === "huge") continue;
    assertEquals(readRecords(path, z.unknown()), [], name);
    assertEquals(holds(path, key("any")), false, name);
    // A file that a stage names as its input is not skipped, but reported.
    const error = assertThrows(() => hashFile(path), Error);
    assert(explainIoError(error) !== undefined, name);
  }
});

Deno.test("readLines() gives what splitting gives, from any line on, whatever the sizes", async () => {
  await using folder = await makeTempFolder();
  const path = join(folder.path, "lines");
  const decoder = new TextDecoder();
  const line = fc.oneof(fc.string(), fc.nat(2_500_000).map((size) => "é".repeat(size >> 1)));
  fc.assert(
    fc.property(
      fc.array(line.map((text) => text.replaceAll("\n", " ")), { maxLength: 5 }),
      fc.boolean(),
      (lines, torn) => {
        Deno.writeTextFileSync(path, lines.map((text) => `${text}\n`).join("") + (torn ? "torn" : ""));
        const got = Array.from(readLines(path), ({ offset, bytes }) => ({ offset, text: decoder.decode(bytes) }));
        assertEquals(got.map(({ text }) => text), lines.map((text) => text.toWellFormed()));
        for (const [index, { offset }] of got.entries()) {
          assertEquals([...readLines(path, offset)].length, lines.length - index);
        }
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("a line that is longer than a record is passed over, and those behind it are not", async () => {
  await using folder = await makeTempFolder();
  const path = join(folder.path, "lines.jsonl");
  {
    using file = Deno.openSync(path, { write: true, create: true });
    const write = (text: string) => file.writeSync(new TextEncoder().encode(text));
    write("1\n");
    // A hole reads as zeros.
    file.seekSync(MAX_RECORD_BYTES + 10, Deno.SeekMode.Current);
    write("\n2\n");
  }
  assertEquals(readRecords(path, z.unknown()), [1, 2]);
});

Deno.test("a record that could not be read again is not written, and the one before stays", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  const record: TagRecord = { format: 1, pipeline: "p", overrides: [], results: {} };
  store.tags.write("t", record);
  const overrides = ["x".repeat(MAX_RECORD_BYTES)];
  const error = assertThrows(
    () => store.tags.write("t", { ...record, overrides }),
    MisplacedError,
    "at most 64 MiB are read",
  );
  assert(explainIoError(error)!.message.includes(join(store.root, "tags/t.json")));
  assertEquals(store.tags.read("t"), record);
});

/** Makes the system refuse to open a file, as it refuses a file of mode 000 to everybody except its own root. */
function refusing(path: string, code: string): Disposable {
  const { openSync } = Deno;
  Deno.openSync = (at, options) => {
    if (String(at) === path) throw Object.assign(new Error(`refused (os error 13): open '${path}'`), { code });
    return openSync(at, options);
  };
  return { [Symbol.dispose]: () => void (Deno.openSync = openSync) };
}

Deno.test("an object that may not be read, or whose place on the disk fails, heals like a damaged one", async () => {
  for (const code of ["EACCES", "EPERM", "EIO"]) {
    await using folder = await makeTempFolder();
    const store = openFreshStore(folder.path);
    const entry = await takeText(store, "a", "abc");
    const path = store.objects.pathOf(entry.sha256);
    const { ino } = statIfThere(path)!;
    {
      using _closed = refusing(path, code);
      assertEquals(store.objects.verify(entry), false);
      await takeText(store, "a", "abc");
    }
    assert(statIfThere(path)!.ino !== ino, "it was replaced");
    assert(store.objects.verify(entry));
  }
});

Deno.test("a process that has too many files open does not take what it cannot open for damaged", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  const entry = await takeText(store, "a", "abc");
  using _short = refusing(store.objects.pathOf(entry.sha256), "EMFILE");
  assertEquals(explainIoError(assertThrows(() => store.objects.verify(entry)))?.code, "machine");
});
