import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { setOperationHook } from "../../../support/operations.ts";
import { makeTempFolder } from "../support/temp.ts";
import { openFreshStore, takeText } from "../support/manifest.ts";

/** SHA-256 of "abc", FIPS 180-2 appendix B.1. */
const ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

Deno.test("take() moves a file into the store under the hash of its content, read-only", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  const entry = await takeText(store, "a.txt", "abc");
  assertEquals(entry, { path: "a.txt", size: 3, sha256: ABC });
  const path = store.objects.pathOf(ABC);
  assertEquals(await Deno.readTextFile(path), "abc");
  assert(Deno.build.os === "windows" || ((await Deno.stat(path)).mode! & 0o777) === 0o444);
  assertEquals([...Deno.readDirSync(store.paths.tmp)], []);
  assert(store.objects.has(entry) && store.objects.verify(entry));
});

Deno.test("take() keeps a good object that is there already", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  await takeText(store, "a", "abc");
  const before = (await Deno.stat(store.objects.pathOf(ABC))).ino;
  await takeText(store, "b", "abc");
  assertEquals((await Deno.stat(store.objects.pathOf(ABC))).ino, before);
});

Deno.test("take() flushes the name of an object that is there already: whoever put it there may still be at it", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  await takeText(store, "a", "abc");
  const flushed: string[] = [];
  setOperationHook((operation, path) => {
    if (operation === "fsync") flushed.push(path);
  });
  try {
    await takeText(store, "b", "abc");
  } finally {
    setOperationHook(undefined);
  }
  assertEquals(flushed.at(-1), dirname(store.objects.pathOf(ABC)));
});

for (const [name, content] of [["of the same size", "xyz"], ["cut short", "a"]] as const) {
  Deno.test(`verify() sees a broken object ${name}, and take() heals it`, async () => {
    await using folder = await makeTempFolder();
    const store = openFreshStore(folder.path);
    const entry = await takeText(store, "a", "abc");
    const path = store.objects.pathOf(ABC);
    await Deno.chmod(path, 0o644);
    await Deno.writeTextFile(path, content);
    assertEquals(store.objects.verify(entry), false);
    assertEquals(store.objects.has(entry), content.length === 3);
    await takeText(store, "a", "abc");
    assert(store.objects.verify(entry));
  });
}

Deno.test("quarantine() sets a broken object aside and keeps its bytes", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  const entry = await takeText(store, "a", "abc");
  store.objects.quarantine(ABC);
  assertEquals(store.objects.has(entry), false);
  assertEquals(await Deno.readTextFile(`${store.objects.pathOf(ABC)}.broken`), "abc");
  store.objects.quarantine(ABC);
});

Deno.test("has() takes a folder under an object's name for no object", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  await Deno.mkdir(store.objects.pathOf(ABC), { recursive: true });
  const { size } = await Deno.stat(store.objects.pathOf(ABC));
  assertEquals(store.objects.has({ size, sha256: ABC }), false);
});

Deno.test("layOut() shows files under their names", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  const home = join(folder.path, "in");
  store.objects.layOut(
    [await takeText(store, "a.txt", "abc"), await takeText(store, "deep/er/b.txt", "b")],
    home,
    true,
  );
  assertEquals(await Deno.readTextFile(join(home, "a.txt")), "abc");
  assertEquals(await Deno.readTextFile(join(home, "deep/er/b.txt")), "b");
});
