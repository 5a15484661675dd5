import { assertEquals, assertRejects } from "@std/assert";
import { join, relative } from "node:path";
import { setOperationHook } from "../../../support/operations.ts";
import { FolderMaker, makeDurableFolder } from "../../../../engine/store/folders.ts";
import { makeTempFolder } from "../support/temp.ts";

/** Records the operations below a folder until it is disposed of. */
function watch(root: string, fail: () => boolean = () => false): { done: string[] } & Disposable {
  const done: string[] = [];
  setOperationHook((operation, path) => {
    done.push(`${operation} ${relative(root, path)}`);
    if (fail()) throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
  });
  return { done, [Symbol.dispose]: () => setOperationHook(undefined) };
}

for (
  const [name, make] of [
    ["makeDurableFolder()", () => makeDurableFolder],
    ["FolderMaker", () => {
      const maker = new FolderMaker();
      return (path: string) => maker.ensure(path);
    }],
  ] as const
) {
  Deno.test(`${name} flushes the name of each folder that it makes, and nothing of those that were there`, async () => {
    await using folder = await makeTempFolder();
    using watched = watch(folder.path);
    const ensure = make();
    await ensure(join(folder.path, "a/b"));
    await ensure(join(folder.path, "a/c"));
    await ensure(join(folder.path, "a/c"));
    assertEquals(watched.done, ["mkdir a", "fsync ", "mkdir a/b", "fsync a", "mkdir a/c", "fsync a"]);
  });
}

Deno.test("FolderMaker flushes the name of a folder whose maker did not come to it", async () => {
  await using folder = await makeTempFolder();
  const path = join(folder.path, "a");
  let full = true;
  using watched = watch(folder.path, () => full && watched.done.at(-1)!.startsWith("fsync"));
  await assertRejects(() => new FolderMaker().ensure(path), Error, "No space");
  full = false;
  await new FolderMaker().ensure(path);
  assertEquals(watched.done, ["mkdir a", "fsync ", "fsync "]);
});

Deno.test("FolderMaker makes a folder once for all who wait for it, and tries again after a failure", async () => {
  await using folder = await makeTempFolder();
  let full = true;
  using watched = watch(folder.path, () => full);
  const maker = new FolderMaker();
  const both = () => Promise.all([maker.ensure(join(folder.path, "a")), maker.ensure(join(folder.path, "a"))]);
  await assertRejects(both, Error, "No space");
  full = false;
  await both();
  assertEquals(watched.done, ["mkdir a", "mkdir a", "fsync "]);
});
