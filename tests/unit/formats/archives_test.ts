import { assert, assertEquals } from "@std/assert";
import { zipSync } from "fflate";
import fs from "node:fs";
import { join } from "node:path";
import { zipEntries } from "../../../formats/archives.ts";

/** Counts the calls of a method while something is done. */
async function callsOf<N extends string>(of: { [name in N]: unknown }, name: N, act: () => Promise<void>) {
  const method = of[name] as (...args: unknown[]) => unknown;
  let calls = 0;
  of[name] = function (this: unknown, ...args: unknown[]) {
    calls++;
    return method.apply(this, args);
  };
  try {
    await act();
  } finally {
    of[name] = method;
  }
  return calls;
}

Deno.test("a zip of many files is listed in two waits for a read for each, and far fewer reads of names", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "many.zip");
  const files = 2_000;
  const names = Array.from({ length: files }, (_, i) => `images/${i}.png`);
  Deno.writeFileSync(path, zipSync(Object.fromEntries(names.map((name) => [name, Uint8Array.of(1, 2, 3)]))));
  const listed: string[] = [];
  const list = async () => {
    for await (const { name } of zipEntries(path)) listed.push(name);
  };
  let readsOfNames = 0;
  const waits = await callsOf(fs as { read: unknown }, "read", async () => {
    readsOfNames = await callsOf(Deno.FsFile.prototype as { readSync: unknown }, "readSync", list);
  });
  await Deno.remove(folder, { recursive: true });
  assertEquals(listed, names);
  assert(waits > files, `the directory is read by other calls than those that are counted: ${waits}`);
  assert(waits < 2.1 * files, `${waits} waits`);
  assert(readsOfNames < files / 20, `${readsOfNames} reads of names`);
});
