import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "node:path";
import { z } from "zod";
import {
  appendLine,
  closeAppended,
  flushAndHash,
  replaceFile,
  writeAtomically,
} from "../../../../engine/store/files.ts";
import { type FileOperation, setOperationHook } from "../../../support/operations.ts";
import { readRecords } from "../../../../engine/store/records.ts";
import { makeTempFolder } from "../support/temp.ts";
import { Digests } from "../../../../engine/store/digests.ts";

const full = () => Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });

/** Makes operations of one kind fail until it is disposed of. */
function failing(wanted: FileOperation): Disposable {
  setOperationHook((operation) => {
    if (operation === wanted) throw full();
  });
  return { [Symbol.dispose]: () => setOperationHook(undefined) };
}

Deno.test("appendLine() glues no line to the half of one that could not be written", async () => {
  await using folder = await makeTempFolder();
  const path = join(folder.path, "lines.jsonl");
  appendLine(path, '{"n":1}');
  {
    using _full = failing("half");
    assertThrows(() => appendLine(path, '{"n":2}'), Error, "No space");
  }
  appendLine(path, '{"n":3}');
  closeAppended(path);
  assertEquals(readRecords(path, z.unknown()), [{ n: 1 }, { n: 3 }]);
});

Deno.test("writeAtomically() leaves the old file and no other when it fails at any of its operations", async () => {
  await using folder = await makeTempFolder();
  const path = join(folder.path, "record.json");
  writeAtomically(path, "old");
  for (const operation of ["write", "half", "fsync", "rename"] as const) {
    using _full = failing(operation);
    assertThrows(() => writeAtomically(path, "new"), Error, "No space");
    assertEquals(Deno.readTextFileSync(path), "old");
    assertEquals([...Deno.readDirSync(folder.path)].length, 1, operation);
  }
});

Deno.test("replaceFile() leaves the old file and no other when it fails at any of its operations", async () => {
  await using folder = await makeTempFolder();
  const path = join(folder.path, "record.json");
  await replaceFile(path, "old");
  for (const operation of ["write", "half", "fsync", "rename"] as const) {
    using _full = failing(operation);
    await assertRejects(() => replaceFile(path, "new"), Error, "No space");
    assertEquals(Deno.readTextFileSync(path), "old");
    assertEquals([...Deno.readDirSync(folder.path)].length, 1, operation);
  }
  await replaceFile(path, "new");
  assertEquals(Deno.readTextFileSync(path), "new");
});

Deno.test("files that wait to be flushed are not open", async () => {
  await using folder = await makeTempFolder();
  const paths = Array.from({ length: 300 }, (_, index) => join(folder.path, String(index)));
  for (const path of paths) Deno.writeTextFileSync(path, path);
  let flushing = 0;
  let most = 0;
  setOperationHook((operation) => {
    if (operation === "fsync") most = Math.max(most, ++flushing);
  });
  try {
    await Promise.all(paths.map((path) => flushAndHash(path).then(() => flushing--)));
  } finally {
    setOperationHook(undefined);
  }
  assert(most > 1 && most <= 64, `${most} at once`);
});

Deno.test("a digest is told although it cannot be remembered", async () => {
  await using folder = await makeTempFolder();
  await Deno.mkdir(join(folder.path, "cache"));
  const file = join(folder.path, "f");
  await Deno.writeTextFile(file, "one");
  const { now } = Date;
  // As if the file had been left alone.
  Date.now = () => now() + 10_000;
  let tried = false;
  setOperationHook(() => {
    tried = true;
    throw full();
  });
  try {
    assertEquals(new Digests(join(folder.path, "cache/digests.jsonl")).digest(file).length, 64);
    assert(tried);
  } finally {
    setOperationHook(undefined);
    Date.now = now;
  }
});
