import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import {
  appendLine,
  closeAppended,
  copyFile,
  makeFolder,
  openLockFile,
  removeTree,
  rename,
  writeAtomically,
  writeUnflushed,
} from "../../../../engine/store/files.ts";
import { MisplacedError } from "../../../../engine/store/io_errors.ts";
import { allowWritesBelow, inside } from "../../../../engine/store/write_roots.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { hasProgram } from "../../../support/proc.ts";
import { makeTempFolder } from "../support/temp.ts";

/** Makes a folder that may be written to, beside one that may not. */
async function makeBoth() {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "noiseline-unit-" }));
  const [root, other] = [join(path, "root"), join(path, "root-other")];
  for (const folder of [root, other]) Deno.mkdirSync(folder);
  Deno.writeTextFileSync(join(other, "file"), "the user's");
  Deno.writeTextFileSync(join(root, "file"), "the store's");
  allowWritesBelow(root);
  const untouched = () => {
    assertEquals([...Deno.readDirSync(other)].map(({ name }) => name), ["file"]);
    assertEquals(Deno.readTextFileSync(join(other, "file")), "the user's");
  };
  return { root, other, untouched, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** All functions that write, each called with a path. */
const WRITES = {
  writeUnflushed: (path) => writeUnflushed(path, "x"),
  writeAtomically: (path) => writeAtomically(path, "x"),
  appendLine: (path) => appendLine(path, "x"),
  openLockFile: (path) => openLockFile(path).close(),
  makeFolder: (path) => makeFolder(join(path, "new")),
  removeTree: (path) => removeTree(path),
  renameTo: (path, root) => rename(join(root, "file"), path),
  renameFrom: (path, root) => rename(path, join(root, "taken")),
  copyFile: (path, root) => copyFile(join(root, "file"), path),
} satisfies Record<string, (path: string, root: string) => unknown>;

Deno.test("no write leads out of the folders that were opened, whatever its path is joined from", async () => {
  await using both = await makeBoth();
  const { root, other, untouched } = both;
  for (const [name, write] of Object.entries(WRITES)) {
    for (const path of [join(root, "../root-other/file"), `${root}/../root-other/file`, join(other, "file")]) {
      assertThrows(() => write(path, root), RangeError, "below no folder", name);
    }
  }
  untouched();
});

Deno.test("no write goes through a link below the folder that was opened", async () => {
  await using both = await makeBoth();
  const { root, other, untouched } = both;
  Deno.symlinkSync(other, join(root, "link"));
  for (const [name, write] of Object.entries(WRITES)) {
    assertThrows(() => write(join(root, "link", "file"), root), MisplacedError, "a link", name);
  }
  // The same holds if somebody asks for a folder below the link.
  assertThrows(() => writeUnflushed(join(root, "link", "deep", "file"), "x"), MisplacedError, "a link");
  untouched();
});

Deno.test("what is no file in the place of one goes aside, and nothing is written into what a link leads to", async () => {
  await using both = await makeBoth();
  const { root, other, untouched } = both;
  const odd: Record<string, (path: string) => void> = {
    link: (path) => Deno.symlinkSync(join(other, "file"), path),
    folder: (path) => Deno.mkdirSync(join(path, "deep"), { recursive: true }),
    device: (path) => Deno.symlinkSync("/dev/zero", path),
    loop: (path) => Deno.symlinkSync(path, path),
  };
  if (hasProgram("mkfifo")) odd["pipe"] = (path) => new Deno.Command("mkfifo", { args: [path] }).outputSync();
  for (const [what, make] of Object.entries(odd)) {
    for (const name of ["writeUnflushed", "writeAtomically", "appendLine", "openLockFile"] as const) {
      const path = join(root, "record");
      make(path);
      WRITES[name](path);
      assert(Deno.lstatSync(path).isFile, `${name} over a ${what}`);
      closeAppended(path);
      Deno.removeSync(path);
    }
  }
  untouched();
});

Deno.test("the folder that is opened may itself be a link, as a store on another disk is", async () => {
  await using folder = await makeTempFolder();
  Deno.mkdirSync(join(folder.path, "disk"));
  const link = `${folder.path}-link`;
  Deno.symlinkSync(join(folder.path, "disk"), link);
  try {
    allowWritesBelow(link);
    makeFolder(join(link, "a", "b"));
    writeAtomically(join(link, "a", "b", "c"), "x");
    assertEquals(Deno.readTextFileSync(join(folder.path, "disk/a/b/c")), "x");
  } finally {
    Deno.removeSync(link);
  }
});

Deno.test("a store with a link or a file in the place of one of its folders is refused before anything runs", async () => {
  for (
    const make of [(path: string) => Deno.symlinkSync("/tmp", path), (path: string) => Deno.writeTextFileSync(path, "")]
  ) {
    await using folder = await makeTempFolder();
    const root = join(folder.path, ".noiseline");
    Deno.mkdirSync(root);
    make(join(root, "objects"));
    const prepared = openStore(root).prepare();
    assert(!prepared.ok);
    assertStringIncludes(prepared.diagnostics[0]!.message, `Cannot write below ${root}/objects: it is`);
  }
});

Deno.test("inside() gives paths below a folder and no others", () => {
  const part = fc.oneof(fc.constantFrom("..", ".", "a", "/", "b/../.."), fc.string());
  fc.assert(fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
    const normal = join("/a/b", ...parts);
    if (normal.startsWith("/a/b/")) assertEquals(inside("/a/b", ...parts), normal);
    else assertThrows(() => inside("/a/b", ...parts), RangeError, "leads out");
  }));
});
