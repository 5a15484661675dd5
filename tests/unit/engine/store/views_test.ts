import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { openStore } from "../../../../engine/store/store.ts";
import { key, manifestOf, openFreshStore, takeText } from "../support/manifest.ts";
import { makeTempFolder } from "../support/temp.ts";

async function world() {
  const folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  const a = manifestOf("a", [await takeText(store, "x.txt", "a"), await takeText(store, "deep/y.txt", "y")]);
  const b = manifestOf("b", [await takeText(store, "x.txt", "b")]);
  const views = store.viewsOf("p");
  const home = views.folderOf("s");
  return { folder, store, a, b, views, home, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

function edit(path: string, text: string) {
  Deno.chmodSync(path, 0o644);
  Deno.writeTextFileSync(path, text);
}

const tree = (home: string): string[] =>
  [...Deno.readDirSync(home)].flatMap(({ name, isDirectory }) =>
    isDirectory ? tree(join(home, name)).map((one) => `${name}/${one}`) : [name]
  ).sort();

Deno.test("install() shows a result read-only, and the next process finds it good", async () => {
  await using w = await world();
  assertEquals(w.views.check("s", w.a.resolvedKey), { state: "absent" });
  assertEquals(w.views.install("s", w.a), undefined);
  assertEquals(tree(w.home), ["deep/y.txt", "x.txt"]);
  assert(Deno.build.os === "windows" || (Deno.statSync(join(w.home, "x.txt")).mode! & 0o777) === 0o444);
  const later = openStore(w.store.root).viewsOf("p");
  assertEquals(later.check("s", w.a.resolvedKey), { state: "good" });
  assertEquals(later.shown("s")?.resolvedKey, w.a.resolvedKey);
  assertEquals(tree(join(w.home, "..")), ["s/deep/y.txt", "s/x.txt"]);
});

Deno.test("install() takes the place of another result and leaves nothing of it", async () => {
  await using w = await world();
  w.views.install("s", w.a);
  assertEquals(w.views.check("s", w.b.resolvedKey), { state: "other", resolvedKey: w.a.resolvedKey });
  assertEquals(w.views.install("s", w.b), undefined);
  assertEquals(tree(join(w.home, "..")), ["s/x.txt"]);
  assertEquals(await Deno.readTextFile(join(w.home, "x.txt")), "b");
});

Deno.test("check() names missing and modified files; touching is no change", async () => {
  await using w = await world();
  w.views.install("s", w.a);
  await Deno.utime(join(w.home, "x.txt"), 1, 1);
  assertEquals(w.views.check("s", w.a.resolvedKey), { state: "good" });
  await Deno.remove(join(w.home, "deep"), { recursive: true });
  assertEquals(w.views.check("s", w.a.resolvedKey), { state: "missing", files: ["deep/y.txt"] });
  edit(join(w.home, "x.txt"), "A");
  assertEquals(w.views.check("s", w.a.resolvedKey), { state: "modified", files: ["x.txt"] });
});

Deno.test("install() moves what the user changed or added aside, under its names, and never over an older one", async () => {
  await using w = await world();
  w.views.install("s", w.a);
  edit(join(w.home, "x.txt"), "mine");
  await Deno.writeTextFile(join(w.home, "deep/notes.md"), "note");
  const mine = w.views.install("s", w.a);
  assertEquals(mine, `${w.home}.mine`);
  assertEquals(tree(mine!), ["deep/notes.md", "x.txt"]);
  assertEquals(await Deno.readTextFile(join(mine!, "x.txt")), "mine");
  assertEquals(await Deno.readTextFile(join(w.home, "x.txt")), "a");

  edit(join(w.home, "x.txt"), "again");
  assertEquals(w.views.install("s", w.b), `${w.home}.mine-2`);
  assertEquals(await Deno.readTextFile(join(`${w.home}.mine-2`, "x.txt")), "again");
  assertEquals(await Deno.readTextFile(join(mine!, "x.txt")), "mine");
});

Deno.test("install() moves a folder aside that was there before the first result", async () => {
  await using w = await world();
  await Deno.mkdir(w.home, { recursive: true });
  await Deno.writeTextFile(join(w.home, "x.txt"), "older than noiseline");
  assertEquals(w.views.install("s", w.a), `${w.home}.mine`);
  assertEquals(await Deno.readTextFile(join(`${w.home}.mine`, "x.txt")), "older than noiseline");
});

Deno.test("install() knows what a stage showed that became a pipeline of the same name, and the other way", async () => {
  await using w = await world();
  w.views.install("s", w.a);
  assertEquals(w.views.install("s/deep", w.b), undefined);
  assertEquals(tree(join(w.home, "..")), ["s/deep/x.txt", "s/x.txt"]);
  await Deno.writeTextFile(join(w.home, "deep/mine.txt"), "mine");
  const later = openStore(w.store.root).viewsOf("p");
  assertEquals(later.install("s", w.b), `${w.home}.mine`);
  assertEquals(tree(join(w.home, "..")), ["s.mine/deep/mine.txt", "s/x.txt"]);
});

Deno.test("install() shows outputs of several ports in folders of their own", async () => {
  await using w = await world();
  const log = { type: "log" as const, digest: key("log"), files: [await takeText(w.store, "x.txt", "log")] };
  w.views.install("s", { ...w.a, outputs: { ...w.a.outputs, log } });
  assertEquals(tree(w.home), ["log/x.txt", "out/deep/y.txt", "out/x.txt"]);
});

Deno.test("a torn line of the view's record counts as an absent view", async () => {
  await using w = await world();
  w.views.install("s", w.a);
  const record = join(w.store.root, "views", "p.jsonl");
  await Deno.writeTextFile(record, (await Deno.readTextFile(record)).slice(0, 40));
  assertEquals(openStore(w.store.root).viewsOf("p").check("s", w.a.resolvedKey), { state: "absent" });
});

Deno.test("install() does not take for the user's edit what a power cut left of a view", async () => {
  await using w = await world();
  w.views.install("s", w.a);
  for (const left of ["", "\0"]) {
    for (const path of ["x.txt", "deep/y.txt"]) {
      edit(join(w.home, path), left);
      // Times from before the machine was started.
      Deno.utimeSync(join(w.home, path), 1, 1);
    }
    const later = openStore(w.store.root).viewsOf("p");
    assertEquals(later.check("s", w.a.resolvedKey).state, "modified");
    assertEquals(later.install("s", w.a), undefined);
    assertEquals(Deno.readTextFileSync(join(w.home, "x.txt")), "a");
  }
  // If it was emptied since then, that is an edit.
  edit(join(w.home, "x.txt"), "");
  assertEquals(w.views.install("s", w.a), `${w.home}.mine`);
});

Deno.test("check() does not believe times from before the machine was started", async () => {
  await using w = await world();
  w.views.install("s", w.a);
  const path = join(w.home, "x.txt");
  edit(path, "z");
  Deno.utimeSync(path, 1, 1);
  const record = join(w.store.root, "views/p.jsonl");
  const { ctime } = Deno.statSync(path);
  const text = Deno.readTextFileSync(record).replaceAll(/"mtimeMs":\d+/g, '"mtimeMs":1000')
    .replaceAll(/"ctimeMs":\d+/g, `"ctimeMs":${ctime!.getTime()}`);
  Deno.writeTextFileSync(record, text);
  const { state } = openStore(w.store.root).viewsOf("p").check("s", w.a.resolvedKey);
  assertEquals(state, "modified");
});

Deno.test("install() sweeps what runs left that were killed in the middle of it, and nothing else", async () => {
  await using w = await world();
  const outputs = join(w.home, "..");
  // Ids of processes end well below this number.
  // A folder with this process's own number also belongs to a killed process: this process has not made any yet.
  for (
    const name of [".new-s-4194999", ".old-s-4194999", `.new-u-${Deno.pid}`, `.new-t-${Deno.ppid}`, ".new-notes", "own"]
  ) {
    Deno.mkdirSync(join(outputs, name), { recursive: true });
  }
  w.views.install("s", w.a);
  const names = [...Deno.readDirSync(outputs)].map(({ name }) => name).sort();
  assertEquals(names, [`.new-t-${Deno.ppid}`, ".new-notes", "own", "s"].sort());
});
