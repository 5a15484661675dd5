import { assert, assertEquals, assertRejects } from "@std/assert";
import { zipSync } from "fflate";
import { join } from "node:path";
import { tarEntries, zipEntries } from "../../../../science/formats/archives.ts";
import { FormatError } from "../../../../science/formats/format_error.ts";
import { tryFields } from "../../../support/zip_fields.ts";

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

Deno.test("a zip of many files is listed in far fewer reads than it has files", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "many.zip");
  const files = 2_000;
  const names = Array.from({ length: files }, (_, i) => `images/${i}.png`);
  Deno.writeFileSync(path, zipSync(Object.fromEntries(names.map((name) => [name, Uint8Array.of(1, 2, 3)]))));
  const listed: string[] = [];
  const list = async () => {
    for await (const { name } of zipEntries(path)) listed.push(name);
  };
  const reads = await callsOf(Deno.FsFile.prototype as { readSync: unknown }, "readSync", list);
  await Deno.remove(folder, { recursive: true });
  assertEquals(listed, names);
  assert(reads > 0, "the zip is read by other calls than those that are counted");
  assert(reads < files / 10, `${reads} reads`);
});

Deno.test("a zip is read or refused as an error, whatever place or size of 64 bits it names", async () => {
  const { refused, served } = await tryFields([2n ** 63n, 2n ** 64n - 1n], [8]);
  assert(refused > 100 && served > 50, `${refused} refused, ${served} served`);
});

/** A tar of one empty file. */
function tarOf(name: string): Uint8Array {
  const header = new Uint8Array(512);
  const write = (text: string, at: number) => header.set(new TextEncoder().encode(text), at);
  write(name, 0);
  write("0000644\0" + "0000000\0".repeat(2) + "00000000000\0".repeat(2), 100);
  write("        0", 148);
  write("ustar\x0000", 257);
  write(header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0") + "\0 ", 148);
  return new Uint8Array([...header, ...new Uint8Array(1024)]);
}

Deno.test("a name that leads out of an archive is refused in a zip and in a tar alike", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "x");
  for (const name of ["../x.png", "a/../../x.png", "..", "/x.png", "a\\..\\..\\x.png", "C:\\x.png"]) {
    Deno.writeFileSync(path, zipSync({ [name]: new Uint8Array() }));
    await assertRejects(() => Array.fromAsync(zipEntries(path)), FormatError, "path: ", name);
    Deno.writeFileSync(path, tarOf(name));
    await assertRejects(() => Array.fromAsync(tarEntries([path])), FormatError, "path: ", name);
  }
  for (const name of ["..x.png", "a..b/x.png", "./x.png", "a\\x.png"]) {
    Deno.writeFileSync(path, tarOf(name));
    const [entry] = await Array.fromAsync(tarEntries([path]));
    assertEquals(entry!.name, name.replace("./", ""));
  }
  await Deno.remove(folder, { recursive: true });
});
