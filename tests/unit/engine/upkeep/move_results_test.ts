import { RunReader } from "../../../../engine/live/run_reader.ts";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, join } from "node:path";
import { objectName, recipeName, resultName, seal, unseal } from "../../../../engine/store/cache/layout.ts";
import { contentsOfPlan } from "../../../../engine/upkeep/contents.ts";
import { collectGarbage } from "../../../../engine/upkeep/gc.ts";
import { exportResults, importResults } from "../../../../engine/upkeep/move_results.ts";
import { verifyStore } from "../../../../engine/upkeep/verify.ts";
import { artifactDigest } from "../../../../engine/keys/keys.ts";
import { listFiles } from "../../../../engine/store/folders.ts";
import { filesOf } from "../../../../engine/store/results.ts";
import { openStore, type Store } from "../../../../engine/store/store.ts";
import { type ResultManifest, resultManifestSchema, type TagRecord } from "../../../../schemas/records.ts";
import { hasProgram } from "../../../support/proc.ts";
import { openFreshStore, takeText } from "../support/manifest.ts";
import { digestsOf, endStates, runIn } from "../support/reach.ts";
import { Lab } from "../support/shared.ts";
import { makeTempFolder } from "../support/temp.ts";

const YAML = `name: p
stages:
  a: { uses: source, with: { text: one } }
  b: { uses: mix, inputs: { one: a } }
  walk: { uses: walk, inputs: { from: a }, with: { steps: 3 } }
`;

async function ranIn(folder: string, yaml = YAML): Promise<{ store: Store; contents: TagRecord }> {
  await runIn(folder, yaml);
  const store = openStore(join(folder, ".noiseline"));
  const contents = contentsOfPlan((await runIn(folder, yaml)).plan, store);
  assert(contents.ok);
  return { store, contents: contents.value };
}

/**
 * Exports results to a folder.
 * @returns the folder, and the keys of its three stages
 */
async function exportedFrom(folder: string, yaml = YAML) {
  const { store, contents } = await ranIn(folder, yaml);
  const all = join(folder, "all");
  const exported = await exportResults(store, all, contents);
  assert(exported.ok, JSON.stringify(exported));
  assertEquals([exported.value.results, exported.warnings], [3, []]);
  return { all, store, contents, keys: contents.results };
}

const contentOf = (folder: string) =>
  listFiles(folder).files.map((name) => [name, Deno.readTextFileSync(join(folder, name))]);

Deno.test("a folder of results brings them into a fresh store, and importing it again changes nothing", async () => {
  await using one = await makeTempFolder();
  await using two = await makeTempFolder();
  const { all, store: theirs, keys } = await exportedFrom(one.path);
  const store = openStore(join(two.path, ".noiseline"));
  const files = Object.values(keys).flatMap((key) => filesOf(theirs.results.readManifest(key)!));
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const first = await importResults(store, all);
  assertEquals(first, {
    ok: true,
    value: { added: 3, known: 0, bytes, different: [], damaged: [] },
    warnings: [],
  });
  const again = await importResults(openStore(store.root), all);
  assert(again.ok);
  assertEquals([again.value.added, again.value.known, again.value.bytes], [0, 3, 0]);
  assertEquals([...Deno.readDirSync(store.paths.tmp)], []);
  // The import is listed among the runs once.
  const [run, ...others] = new RunReader(store).readRuns();
  assertEquals([run!.pipeline, run!.file, run!.state, others], ["imported", all, "done", []]);
  assertEquals(run!.stages.map(({ state, result }) => [state, result]).sort(), [
    ...Object.values(keys).sort().map((key) => ["restored", key]),
  ]);
  assertEquals(endStates(await runIn(two.path, YAML)), "a: restored, b: restored, walk: restored");
});

Deno.test("a result of a kind that is gone is checked, kept, exported and imported like any other", async () => {
  await using one = await makeTempFolder();
  await using two = await makeTempFolder();
  const made = (await runIn(two.path, "name: p\nstages:\n  page: { uses: source }\n")).stages.get("page")!.manifest!;
  const store = openFreshStore(one.path);
  const files = [await takeText(store, "report.html", "a page")];
  // A type of artifact that nothing makes any more.
  const type = "report" as "files";
  const outputs = { report: { type, files, digest: artifactDigest(type, files) } };
  const manifest = { ...made, outputs };
  await store.results.publish(manifest);
  const contents: TagRecord = { format: 1, pipeline: "p", overrides: [], results: { page: manifest.resolvedKey } };
  store.tags.write("old", contents);
  assertEquals((await verifyStore(store)).faults, []);
  const cleaned = await collectGarbage(store, { dryRun: false, keepRuns: 0, olderThanMs: 0 });
  assert(cleaned.ok && cleaned.value.kept["tag"] === 1);
  const moved = await exportResults(store, join(one.path, "all"), contents);
  assert(moved.ok);
  const fresh = openStore(join(two.path, "fresh"));
  const imported = await importResults(fresh, join(one.path, "all"));
  assert(imported.ok && imported.value.added === 1);
  assertEquals(fresh.results.readManifest(manifest.resolvedKey)!.outputs, outputs);
});

Deno.test("a folder of results is a shared cache: a run takes from it, and an import takes what runs gave", async () => {
  await using lab = await Lab.open();
  const { all } = await exportedFrom(lab.machine("one"));
  Deno.renameSync(all, lab.cacheFolder);
  assertEquals(endStates(await lab.run("two", YAML, { mode: "read" })), "a: restored, b: restored, walk: restored");
  await lab.run("two", YAML, { set: ["a.text=two"] });
  const imported = await importResults(openStore(join(lab.machine("three"), ".noiseline")), lab.cacheFolder);
  assert(imported.ok);
  assertEquals([imported.value.added, imported.value.damaged], [6, []]);
  const third = await runIn(lab.machine("three"), YAML, { set: ["a.text=two"] });
  assertEquals(endStates(third), "a: restored, b: restored, walk: restored");
});

Deno.test("equal results make equal folders, whatever run on whatever machine made them", async () => {
  await using one = await makeTempFolder();
  await using two = await makeTempFolder();
  const [a, b] = [await exportedFrom(one.path), await exportedFrom(two.path)];
  assertEquals(contentOf(a.all), contentOf(b.all));
});

Deno.test("an export is the same while manifests are torn that the index remembers", async () => {
  await using folder = await makeTempFolder();
  const { all, store } = await exportedFrom(folder.path);
  const whole = contentOf(all);
  for (const key of store.results.keys()) Deno.writeTextFileSync(store.results.manifestPath(key), "{");
  Deno.removeSync(all, { recursive: true });
  await exportedFrom(folder.path);
  assertEquals(contentOf(all), whole);
});

Deno.test("an export adds to a folder of results, and says where that has other bytes for a key", async () => {
  await using folder = await makeTempFolder();
  const { all, store, contents, keys } = await exportedFrom(folder.path);
  const before = contentOf(all);
  const { contents: more } = await ranIn(folder.path, YAML.replace("one }", "two }"));
  const added = await exportResults(store, all, more);
  assertEquals([added.ok, added.ok && added.warnings], [true, []]);
  const after = new Map(contentOf(all) as [string, string][]);
  for (const [name, content] of before) assertEquals(after.get(name!), content);
  assert(after.size > before.length);

  const [a, walk] = [keys["a"], keys["walk"]].map((key) => store.results.readManifest(key!)!);
  await store.results.publish({ ...a!, outputs: walk!.outputs });
  const other = await exportResults(openStore(store.root), all, contents);
  assert(other.ok);
  assertEquals(other.warnings.length, 1);
  assertStringIncludes(other.warnings[0]!.message, `another result of the key ${a!.resolvedKey.slice(0, 12)}`);
  assertEquals(new Map(contentOf(all) as [string, string][]), after);
});

Deno.test("an import gives a damaged object back to a result that is known", async () => {
  await using folder = await makeTempFolder();
  const { all, store } = await exportedFrom(folder.path);
  const [manifest] = store.results.keys().map((key) => store.results.readManifest(key)!);
  const entry = manifest!.outputs["out"]!.files[0]!;
  Deno.removeSync(store.objects.pathOf(entry.sha256));
  const imported = await importResults(store, all);
  assertEquals(imported.ok && [imported.value.added, imported.value.known], [0, 3]);
  assert(store.objects.verify(entry));
  assertEquals(store.results.readManifest(manifest!.resolvedKey)!.runId, manifest!.runId);
});

Deno.test("an import keeps the store's own result and names the key where bytes differ for it", async () => {
  await using one = await makeTempFolder();
  await using two = await makeTempFolder();
  const { all } = await exportedFrom(one.path);
  const { store, contents } = await ranIn(two.path);
  const other = store.results.readManifest(contents.results["a"]!)!;
  // As if this machine had computed other bytes.
  const changed = { ...other, outputs: store.results.readManifest(contents.results["walk"]!)!.outputs };
  await store.results.publish(changed);
  const result = await importResults(store, all);
  assert(result.ok);
  assertEquals(result.value.different, [other.resolvedKey]);
  assertEquals(store.results.readManifest(other.resolvedKey)!.outputs, changed.outputs);
});

interface Parts {
  readonly all: string;
  /** Stage `a`: its manifest, and the paths of the manifest and of its one object. */
  readonly manifest: ResultManifest;
  readonly record: string;
  readonly object: string;
}

const forge = (change: (text: string) => string) => ({ record, manifest }: Parts) => {
  const text = change(JSON.stringify(manifest));
  assert(text !== JSON.stringify(manifest));
  Deno.writeFileSync(record, seal(JSON.parse(text)));
};

/** Ways in which one result of a folder can be wrong, and the expected messages. */
const WRONG: Readonly<Record<string, { make: (parts: Parts) => void; says: string }>> = {
  "lacks an object": { make: ({ object }) => Deno.removeSync(object), says: "is missing" },
  "has an object of other bytes": {
    make: ({ object }) => {
      const bytes = Deno.readFileSync(object);
      bytes[0]! ^= 1;
      Deno.writeFileSync(object, bytes);
    },
    says: "is damaged",
  },
  "has an object of another size": { make: ({ object }) => Deno.truncateSync(object, 1), says: "is damaged" },
  "has an object without an end": {
    make: ({ object }) => {
      Deno.removeSync(object);
      Deno.symlinkSync("/dev/zero", object);
    },
    says: "is damaged",
  },
  "has a folder for a manifest": {
    make: ({ record }) => {
      Deno.removeSync(record);
      Deno.mkdirSync(record);
    },
    says: "is damaged",
  },
  "has a manifest that is cut off": { make: ({ record }) => Deno.truncateSync(record, 100), says: "is damaged" },
  "has a manifest that is no JSON": {
    make: ({ record }) => Deno.writeTextFileSync(record, "x".repeat(1_000)),
    says: "is damaged",
  },
  "has a manifest under the key of another": {
    make: ({ all, record }) => {
      const other = join(all, resultName("0".repeat(64)));
      Deno.mkdirSync(dirname(other));
      Deno.renameSync(record, other);
    },
    says: "is damaged",
  },
  "has a manifest with other params": {
    make: forge((text) => text.replace('"text":"one"', '"text":"two"')),
    says: "is damaged",
  },
  "has a manifest that names other files": {
    make: forge((text) => text.replace('"path":"value.txt"', '"path":"other.txt"')),
    says: "is damaged",
  },
  "has a manifest with another stage's key of progress": {
    make: forge((text) => text.replace(/("identityKey":")[0-9a-f]+/, `$1${"0".repeat(64)}`)),
    says: "is damaged",
  },
  "has a manifest with an extent where there is none": {
    make: forge((text) => text.replace('"extent":null', '"extent":3')),
    says: "is damaged",
  },
  "has a manifest with a path that leads out": {
    make: forge((text) => text.replace('"path":"value.txt"', '"path":"../value.txt"')),
    says: "is not a record of this version",
  },
  "has a manifest with a port that leads out": {
    make: forge((text) => text.replace('"outputs":{"out"', '"outputs":{"../../x"')),
    says: "is not a record of this version",
  },
  "has a manifest of another version": {
    make: forge((text) => text.replace('"format":1', '"format":9')),
    says: "is not a record of this version",
  },
};

if (hasProgram("mkfifo")) {
  Object.assign(WRONG, {
    "has a pipe for an object": {
      make: ({ object }: Parts) => {
        Deno.removeSync(object);
        new Deno.Command("mkfifo", { args: [object] }).outputSync();
      },
      says: "is damaged",
    },
  });
}

Deno.test("an import takes nothing of a result that is wrong, names it, and takes the others", async (t) => {
  await using one = await makeTempFolder();
  const { all: good, keys } = await exportedFrom(one.path);
  for (const [how, { make, says }] of Object.entries(WRONG)) {
    await t.step(`that ${how}`, async () => {
      await using two = await makeTempFolder();
      const all = join(two.path, "all");
      for (const name of listFiles(good).files) {
        Deno.mkdirSync(dirname(join(all, name)), { recursive: true });
        Deno.copyFileSync(join(good, name), join(all, name));
      }
      const record = join(all, resultName(keys["a"]!));
      const unsealed = unseal(Deno.readFileSync(record), resultManifestSchema);
      assert("record" in unsealed);
      const { record: manifest } = unsealed;
      make({ all, manifest, record, object: join(all, objectName(filesOf(manifest)[0]!.sha256)) });
      const store = openStore(join(two.path, ".noiseline"));
      const result = await importResults(store, all);
      assert(result.ok, JSON.stringify(result));
      assertEquals(result.value.damaged.length, 1);
      assertStringIncludes(result.warnings.map(({ message }) => message).join("\n"), says);
      assertEquals(store.results.keys().sort(), [keys["b"], keys["walk"]].sort());
      assertEquals([...Deno.readDirSync(store.paths.tmp)], []);
      assertEquals(Array.from(Deno.readDirSync(two.path), ({ name }) => name).sort(), [".noiseline", "all"]);
    });
  }
});

Deno.test("results that came under each other's recipes are not served for them", async () => {
  await using one = await makeTempFolder();
  await using two = await makeTempFolder();
  const yaml = `name: p
stages:
  a: { uses: source }
  b: { uses: mix, inputs: { one: a }, with: { text: one } }
  c: { uses: mix, inputs: { one: a }, with: { text: two } }
`;
  const { all } = await exportedFrom(one.path, yaml);
  const right = await runIn(one.path, yaml);
  const [b, c] = ["b", "c"].map((id) => right.stages.get(id)!.manifest!);
  for (const [mine, other] of [[b!, c!], [c!, b!]] as const) {
    const path = join(all, resultName(mine.resolvedKey));
    Deno.writeFileSync(path, seal({ ...mine, recipeKey: other.recipeKey }));
    const pointer = { recipeKey: mine.recipeKey, resolvedKey: other.resolvedKey };
    Deno.writeFileSync(join(all, recipeName(mine.recipeKey)), seal(pointer));
  }
  const imported = await importResults(openStore(join(two.path, ".noiseline")), all);
  assertEquals(imported.ok && imported.value.added, 3);
  // A stage that is named on the command line is looked up by its recipe, before its inputs exist.
  const named = await runIn(two.path, yaml, { targets: ["b", "c"] });
  assertEquals(endStates(named), "a: restored, b: restored, c: restored");
  assertEquals(digestsOf(named), digestsOf(right));
});

Deno.test("an export refuses to spread damage: what lacks a good object is not there", async () => {
  await using folder = await makeTempFolder();
  const { store, contents } = await ranIn(folder.path);
  const entry = store.results.readManifest(contents.results["a"]!)!.outputs["out"]!.files[0]!;
  const path = store.objects.pathOf(entry.sha256);
  Deno.chmodSync(path, 0o644);
  Deno.writeTextFileSync(path, "x".repeat(entry.size));
  const all = join(folder.path, "all");
  const exported = await exportResults(store, all, contents);
  assert(!exported.ok);
  assertEquals(exported.diagnostics.length, 1);
  assertStringIncludes(exported.diagnostics[0]!.message, "value.txt is damaged");
  const names = listFiles(all).files;
  assert(!names.includes(objectName(entry.sha256)) && !names.includes(resultName(contents.results["a"]!)));
});

Deno.test("gc takes nothing while results come in", async () => {
  await using one = await makeTempFolder();
  await using two = await makeTempFolder();
  const { all } = await exportedFrom(one.path);
  const store = openStore(join(two.path, ".noiseline"));
  assert(store.prepare().ok);
  let imported = false;
  const importing = importResults(store, all).then((result) => {
    imported = true;
    return result;
  });
  // Like gc before it looks at anything.
  const held = await openStore(store.root).guards.acquireExclusiveGcLock();
  assert(imported, "gc had the store to itself before the import had ended");
  held[Symbol.dispose]();
  const result = await importing;
  assertEquals(result.ok && result.value.added, 3);
});
