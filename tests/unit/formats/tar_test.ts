import { assertEquals, assertRejects } from "@std/assert";
import { FormatError } from "../../../formats/format_error.ts";
import { readTar } from "../../../formats/tar.ts";
import { makeTar, streamOf } from "../../support/tar.ts";

const SHORT = new TextEncoder().encode("short");
const LONG = Uint8Array.from({ length: 1500 }, (_, i) => i % 251);
const ARCHIVE = makeTar([
  { name: "folder/" },
  { name: "folder/short.txt", content: SHORT },
  { name: "folder/none", content: new Uint8Array() },
  { name: "folder/long.bin", content: LONG },
]);

async function contents(archive: Uint8Array, pieceBytes: number, wanted = /./) {
  const found: Record<string, Uint8Array> = {};
  for await (const file of readTar(streamOf(archive, pieceBytes))) {
    if (wanted.test(file.name)) found[file.name] = await file.read();
  }
  return found;
}

Deno.test("readTar() gives files whatever the pieces of the stream, and passes over what is not read", async () => {
  for (const pieceBytes of [7, 512, 1 << 20]) {
    const all = { "folder/short.txt": SHORT, "folder/none": new Uint8Array(), "folder/long.bin": LONG };
    assertEquals(await contents(ARCHIVE, pieceBytes), all);
    assertEquals(await contents(ARCHIVE, pieceBytes, /long/), { "folder/long.bin": LONG });
  }
});

Deno.test("readTar() reads what the system's tar writes", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeFile(`${folder}/data.bin`, LONG);
    const { code, stdout } = await new Deno.Command("tar", { args: ["cf", "-", "-C", folder, "data.bin"] }).output();
    assertEquals(code, 0);
    assertEquals(await contents(stdout, 4096), { "data.bin": LONG });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("readTar() refuses archives that are cut off or are none", async () => {
  const refuses = (archive: Uint8Array, says: string) => assertRejects(() => contents(archive, 100), FormatError, says);
  await refuses(ARCHIVE.subarray(0, 1100), "tar file folder/short.txt: got");
  await refuses(
    ARCHIVE.subarray(0, ARCHIVE.length - 1024),
    "tar header: got 0 bytes, wanted 512: the archive is cut off",
  );
  await refuses(ARCHIVE.with(520, 0x58), "tar header: got a block with a wrong checksum");
  await refuses(new TextEncoder().encode("x".repeat(2000)), "tar header");
});
