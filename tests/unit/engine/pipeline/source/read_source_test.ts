import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { MAX_SOURCE_BYTES, readSource } from "../../../../../engine/pipeline/source/read_source.ts";
import { makeTempFolder } from "../../support/temp.ts";

async function refused(content: Uint8Array | string) {
  await using folder = await makeTempFolder();
  const path = join(folder.path, "p.yaml");
  await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
  const result = readSource(path, "p.yaml");
  if (result.ok) throw new Error("It was read");
  return result.diagnostics[0]!;
}

Deno.test("readSource() reads text and names it as the user did", async () => {
  await using folder = await makeTempFolder();
  const path = join(folder.path, "p.yaml");
  await Deno.writeTextFile(path, "name: ü\r\n");
  const result = readSource(path, "p.yaml");
  assert(result.ok);
  assertEquals(result.value, { name: "p.yaml", text: "name: ü\r\n" });
});

Deno.test("readSource() refuses a missing file, a folder and a device", async () => {
  await using folder = await makeTempFolder();
  for (const [path, said] of [["gone.yaml", "no such file"], [".", "it is a folder"]] as const) {
    const result = readSource(join(folder.path, path), path);
    assert(!result.ok && result.diagnostics[0]!.code === "file-unreadable");
    assertStringIncludes(result.diagnostics[0]!.message, said);
  }
  const device = readSource("/dev/null");
  assert(Deno.build.os === "windows" || (!device.ok && device.diagnostics[0]!.message.includes("not a regular file")));
});

Deno.test("readSource() refuses a file of more than 5 MB without reading it", async () => {
  const problem = await refused(new Uint8Array(MAX_SOURCE_BYTES + 1));
  assertEquals([problem.code, problem.got], ["file-too-large", "5000001 bytes"]);
});

Deno.test("readSource() refuses bytes that are no text and says which", async () => {
  assertEquals((await refused("ab\0c")).got, "a zero byte at offset 2");
  assertEquals((await refused(new Uint8Array([0x61, 0xff]))).got, "bytes that are not UTF-8");
});
