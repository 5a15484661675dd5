import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeTempFolder } from "../support/temp.ts";
import { Digests, type FolderFile } from "../../../../engine/store/digests.ts";
import { factsOf } from "../../../../engine/store/reading.ts";

/** Files that were left alone for a long time: change times cannot be set. */
const FOLDER = fileURLToPath(import.meta.resolve("../../../golden/torch"));

const filesOf = (folder: string): FolderFile[] =>
  Array.from(
    Deno.readDirSync(folder),
    ({ name }) => ({ path: name, facts: factsOf(Deno.statSync(join(folder, name))) }),
  );

const DIGEST = "d".repeat(64);

/**
 * Asks for the digest as a new process would.
 * @returns how often the folder's content had to be read
 */
function ask(memory: string, folder: string, files: readonly FolderFile[]): number {
  let looks = 0;
  const compute = () => {
    looks++;
    return DIGEST;
  };
  assertEquals(new Digests(memory).rememberedDigest(folder, () => files, compute), DIGEST);
  return looks;
}

Deno.test("a folder is looked into again when any fact of any file, or any name, is another", async () => {
  await using folder = await makeTempFolder();
  const memory = join(folder.path, "digests.jsonl");
  const files = filesOf(FOLDER);
  assertEquals(ask(memory, FOLDER, files), 1);
  assertEquals(ask(memory, FOLDER, files), 0);
  const [first, ...rest] = files;
  for (
    const change of [
      { size: first!.facts.size + 1 },
      { ino: 1 },
      { dev: 1 },
      { mtimeMs: 1 },
      { ctimeMs: 1 },
    ]
  ) {
    assertEquals(ask(memory, FOLDER, [{ ...first!, facts: { ...first!.facts, ...change } }, ...rest]), 1);
  }
  assertEquals(ask(memory, FOLDER, rest), 1, "a file is gone");
  assertEquals(ask(memory, FOLDER, [{ ...first!, path: "other.ts" }, ...rest]), 1, "a file has another name");
});

Deno.test("a folder with a file that was just written is not remembered", async () => {
  await using folder = await makeTempFolder();
  const images = join(folder.path, "images");
  await Deno.mkdir(images);
  await Deno.writeTextFile(join(images, "a"), "1");
  const memory = join(folder.path, "digests.jsonl");
  assertEquals(ask(memory, images, filesOf(images)), 1);
  assertEquals(ask(memory, images, filesOf(images)), 1);
});

Deno.test("what was learnt before there was a store is written once there is one", async () => {
  await using folder = await makeTempFolder();
  const digests = new Digests(join(folder.path, "cache", "digests.jsonl"));
  digests.rememberedDigest(FOLDER, () => filesOf(FOLDER), () => DIGEST);
  assertEquals([...Deno.readDirSync(folder.path)], []);
  await Deno.mkdir(join(folder.path, "cache"));
  digests.rememberedDigest(FOLDER, () => filesOf(FOLDER), () => DIGEST);
  assertEquals(ask(join(folder.path, "cache", "digests.jsonl"), FOLDER, filesOf(FOLDER)), 0);
});
