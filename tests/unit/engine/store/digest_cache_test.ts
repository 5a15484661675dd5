import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import { DigestCache } from "../../../../engine/store/digest_cache.ts";
import { makeTempFolder } from "../support/temp.ts";

/** Inode change times cannot be set, so a settled file is one that was really left alone for the two seconds. */
const SETTLED_MS = 2_100;

const lines = async (path: string) => {
  const text = await Deno.readTextFile(path).catch(() => "");
  return text === "" ? 0 : text.trimEnd().split("\n").length;
};

Deno.test("a digest is remembered only of a file that was left alone for two seconds", async () => {
  await using folder = await makeTempFolder();
  const [file, memory] = [join(folder.path, "f"), join(folder.path, "cache/digests.jsonl")];
  await Deno.mkdir(join(folder.path, "cache"));
  await Deno.writeTextFile(file, "one");
  const fresh = new DigestCache(memory).digest(file);
  assertEquals(await lines(memory), 0);

  // An old modification time alone does not settle it: the change time tells.
  await Deno.utime(file, 1, 1);
  assertEquals(new DigestCache(memory).digest(file), fresh);
  assertEquals(await lines(memory), 0);

  await new Promise((done) => setTimeout(done, SETTLED_MS));
  assertEquals(new DigestCache(memory).digest(file), fresh);
  assertEquals(await lines(memory), 1);
  assertEquals(new DigestCache(memory).digest(file), fresh);
  assertEquals(await lines(memory), 1);

  // Same size and same modification time as what was remembered; only the content and the change time differ.
  await Deno.writeTextFile(file, "two");
  await Deno.utime(file, 1, 1);
  assertNotEquals(new DigestCache(memory).digest(file), fresh);
});

Deno.test("a change right after hashing is seen, in the same cache and within one tick of the clock", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "f");
  const cache = new DigestCache(join(folder.path, "cache/digests.jsonl"));
  const digests = new Set<string>();
  for (let i = 0; i < 50; i++) {
    Deno.writeTextFileSync(file, String(i).padStart(3));
    digests.add(cache.digest(file));
  }
  assertEquals(digests.size, 50);
});

Deno.test("a remembered digest is taken without reading, and lines that are none are skipped", async () => {
  await using folder = await makeTempFolder();
  const [file, memory] = [join(folder.path, "f"), join(folder.path, "digests.jsonl")];
  await Deno.writeTextFile(file, "one");
  const { dev, ino, size, mtime, ctime } = await Deno.stat(file);
  const facts = { path: file, dev, ino, size, mtimeMs: mtime!.getTime(), ctimeMs: ctime!.getTime() };
  const told = "a".repeat(64);
  const write = (entry: unknown) => Deno.writeTextFile(memory, `{"torn\nnull\n[]\n${JSON.stringify(entry)}\n`);

  await write({ ...facts, sha256: told });
  assertEquals(new DigestCache(memory).digest(file), told);
  for (const change of [{ dev: -1 }, { ino: -1 }, { size: 4 }, { mtimeMs: 0 }, { ctimeMs: 0 }, { sha256: "short" }]) {
    await write({ ...facts, sha256: told, ...change });
    assertNotEquals(new DigestCache(memory).digest(file), told, JSON.stringify(change));
  }
});

Deno.test("digest() makes no folder for its memory: planning must not bring a store into being", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "f");
  await Deno.writeTextFile(file, "one");
  new DigestCache(join(folder.path, "cache/digests.jsonl")).digest(file);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["f"]);
});

Deno.test("digest() throws for a file that is not there", async () => {
  await using folder = await makeTempFolder();
  assertThrows(() => new DigestCache(join(folder.path, "d")).digest(join(folder.path, "gone")), Deno.errors.NotFound);
});
