import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { factsOf } from "../../../../engine/store/reading.ts";
import { makeTempFolder } from "../support/temp.ts";
import { Digests } from "../../../../engine/store/digests.ts";

/** Inode change times cannot be set, so a settled file must really be left alone for two seconds. */
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
  const fresh = new Digests(memory).digest(file);
  assertEquals(await lines(memory), 0);

  // An old modification time alone does not make a file settled: the change time is checked too.
  await Deno.utime(file, 1, 1);
  assertEquals(new Digests(memory).digest(file), fresh);
  assertEquals(await lines(memory), 0);

  await new Promise((done) => setTimeout(done, SETTLED_MS));
  assertEquals(new Digests(memory).digest(file), fresh);
  assertEquals(await lines(memory), 1);
  assertEquals(new Digests(memory).digest(file), fresh);
  assertEquals(await lines(memory), 1);

  // Same size and same modification time as remembered; only the content and the change time differ.
  await Deno.writeTextFile(file, "two");
  await Deno.utime(file, 1, 1);
  assertNotEquals(new Digests(memory).digest(file), fresh);
});

Deno.test("a change right after hashing is seen, in the same cache and within one tick of the clock", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "f");
  const cache = new Digests(join(folder.path, "cache/digests.jsonl"));
  const digests = new Set<string>();
  for (let i = 0; i < 50; i++) {
    Deno.writeTextFileSync(file, String(i).padStart(3));
    digests.add(cache.digest(file));
  }
  assertEquals(digests.size, 50);
});

Deno.test("a remembered digest is taken without reading, and lines that are none are skipped", async () => {
  await using folder = await makeTempFolder();
  // This file was left alone for a long time: change times cannot be set.
  const [file, memory] = [
    fileURLToPath(import.meta.resolve("../../../../LICENSE")),
    join(folder.path, "digests.jsonl"),
  ];
  new Digests(memory).digest(file);
  const learnt = JSON.parse(await Deno.readTextFile(memory));
  const told = "a".repeat(64);
  const write = (entry: unknown) => Deno.writeTextFile(memory, `{"torn\nnull\n[]\n${JSON.stringify(entry)}\n`);

  await write({ ...learnt, sha256: told });
  assertEquals(new Digests(memory).digest(file), told);
  const facts = factsOf(await Deno.stat(file));
  for (const change of [{ dev: -1 }, { ino: -1 }, { size: 4 }, { mtimeMs: 0 }, { ctimeMs: 0 }]) {
    assertNotEquals(new Digests(memory).digest(file, { ...facts, ...change }), told, JSON.stringify(change));
  }
  await write({ ...learnt, sha256: "short" });
  assertEquals(new Digests(memory).digest(file), learnt.sha256);
});

Deno.test("digest() makes no folder for its memory: planning must not bring a store into being", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "f");
  await Deno.writeTextFile(file, "one");
  new Digests(join(folder.path, "cache/digests.jsonl")).digest(file);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["f"]);
});

Deno.test("digest() throws for a file that is not there", async () => {
  await using folder = await makeTempFolder();
  assertThrows(() => new Digests(join(folder.path, "d")).digest(join(folder.path, "gone")), Deno.errors.NotFound);
});
