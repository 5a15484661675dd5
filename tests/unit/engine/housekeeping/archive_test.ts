import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { exportResults } from "../../../../engine/housekeeping/archive/export.ts";
import { importResults } from "../../../../engine/housekeeping/archive/import.ts";
import { contentsOfPlan } from "../../../../engine/housekeeping/contents.ts";
import { openStore, type Store } from "../../../../engine/store/store.ts";
import type { TagRecord } from "../../../../schemas/records.ts";
import { makeTar, type TarEntry } from "../../../support/tar.ts";
import { readTar } from "../../../../formats/tar.ts";
import { digestsOf, endStates, runIn } from "../support/reach.ts";
import { makeTempFolder } from "../support/temp.ts";

const YAML = `name: p
stages:
  a: { uses: source, with: { text: one } }
  b: { uses: mix, inputs: { one: a } }
  walk: { uses: walk, inputs: { from: a }, with: { steps: 3 } }
`;

async function ranIn(folder: string, yaml = YAML): Promise<{ store: Store; contents: TagRecord }> {
  await runIn(folder, yaml);
  const contents = contentsOfPlan((await runIn(folder, yaml)).plan);
  assert(contents.ok);
  return { store: openStore(join(folder, ".noiseline")), contents: contents.value };
}

async function archiveOf(folder: string, tag: string | null = null, yaml = YAML): Promise<string> {
  const { store, contents } = await ranIn(folder, yaml);
  const file = join(folder, "all.tar");
  const exported = await exportResults(store, file, { contents, tag });
  assert(exported.ok, JSON.stringify(exported));
  assertEquals(exported.value.results, 3);
  return file;
}

async function entriesOf(file: string): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  for await (const { name, read } of readTar((await Deno.open(file)).readable)) {
    entries.push({ name, content: await read() });
  }
  return entries;
}

Deno.test("an archive brings results into a fresh store, and importing it again changes nothing", async () => {
  await using one = await makeTempFolder();
  await using two = await makeTempFolder();
  const file = await archiveOf(one.path, "best");
  const store = openStore(join(two.path, ".noiseline"));
  const first = await importResults(store, file);
  assertEquals(first, {
    ok: true,
    value: { tag: "best", pipeline: "p", added: 3, known: 0, different: [] },
    warnings: [],
  });
  const again = await importResults(openStore(store.root), file);
  assert(again.ok);
  assertEquals([again.value.added, again.value.known], [0, 3]);
  assertEquals(Object.keys(store.tags.read("best")!.results), ["a", "b", "walk"]);
  assertEquals([...Deno.readDirSync(store.temporaryRoot)], []);
  assertEquals(endStates(await runIn(two.path, YAML)), "a: restored, b: restored, walk: restored");
});

Deno.test("equal results make equal archives, whatever run on whatever machine made them", async () => {
  await using one = await makeTempFolder();
  await using two = await makeTempFolder();
  const [a, b] = await Promise.all([one, two].map(async ({ path }) => await Deno.readFile(await archiveOf(path))));
  assertEquals(a, b);
});

Deno.test("an export is the same while manifests are torn that the index remembers", async () => {
  await using folder = await makeTempFolder();
  const whole = await Deno.readFile(await archiveOf(folder.path));
  const store = openStore(join(folder.path, ".noiseline"));
  for (const key of store.results.keys()) Deno.writeTextFileSync(store.results.manifestPath(key), "{");
  assertEquals(await Deno.readFile(await archiveOf(folder.path)), whole);
});

Deno.test("an import gives a damaged object back to a result that is known", async () => {
  await using folder = await makeTempFolder();
  const file = await archiveOf(folder.path);
  const store = openStore(join(folder.path, ".noiseline"));
  const [manifest] = store.results.keys().map((key) => store.results.readManifest(key)!);
  const entry = manifest!.outputs["out"]!.files[0]!;
  Deno.removeSync(store.objects.pathOf(entry.sha256));
  assert((await importResults(store, file)).ok);
  assert(store.objects.verify(entry));
});

Deno.test("an import keeps the store's own result and names the stage where bytes differ for one key", async () => {
  await using one = await makeTempFolder();
  await using two = await makeTempFolder();
  const file = await archiveOf(one.path);
  const { store, contents } = await ranIn(two.path);
  const other = store.results.readManifest(contents.results["a"]!)!;
  // As if this machine had computed something else.
  const changed = { ...other, outputs: store.results.readManifest(contents.results["walk"]!)!.outputs };
  await store.results.publish(changed);
  const result = await importResults(store, file);
  assert(result.ok);
  assertEquals(result.value.different, ["a"]);
  assertEquals(store.results.readManifest(other.resolvedKey)!.outputs, changed.outputs);
});

Deno.test("an import refuses to move a tag unless it is told to", async () => {
  await using one = await makeTempFolder();
  await using two = await makeTempFolder();
  const file = await archiveOf(one.path, "best");
  const store = openStore(join(two.path, ".noiseline"));
  assert(store.prepare().ok);
  store.tags.write("best", { format: 1, pipeline: "other", overrides: [], results: {} });
  const refused = await importResults(store, file);
  assert(!refused.ok);
  assertStringIncludes(refused.diagnostics[0]!.message, 'another tag "best"');
  assertEquals(store.results.keys(), []);
  assert((await importResults(store, file, { replaceTag: true })).ok);
  assertEquals(store.tags.read("best")!.pipeline, "p");
});

const bytes = (text: string) => new TextEncoder().encode(text);
const edit = (entries: readonly TarEntry[], name: RegExp, change: (text: string) => string) =>
  entries.map((entry) =>
    name.test(entry.name) ? { ...entry, content: bytes(change(new TextDecoder().decode(entry.content!))) } : entry
  );

/** Ways in which an archive can be wrong, and what is said about it. */
const WRONG: Readonly<Record<string, { make: (entries: TarEntry[]) => readonly TarEntry[]; says: string }>> = {
  "has no header": { make: ([, ...rest]) => rest, says: "does not begin with its header" },
  "is empty": { make: () => [], says: "empty" },
  "has a path that leads out": {
    make: ([header, ...rest]) => [header!, { name: "objects/../../escaped", content: bytes("x") }, ...rest],
    says: "does not belong there",
  },
  "has an absolute path": {
    make: (all) => [...all, { name: "/tmp/escaped", content: bytes("x") }],
    says: "does not belong there",
  },
  "has a folder": {
    make: ([header, ...rest]) => [header!, { name: "objects" }, ...rest],
    says: "does not belong there",
  },
  "has an entry twice": { make: (all) => [...all, all.at(-1)!], says: "twice" },
  "lacks an object": { make: (all) => all.slice(0, -1), says: "1 of its parts are missing" },
  "lacks a manifest": {
    make: (all) => all.filter(({ name }, i) => !(name.startsWith("results/") && i === 1)),
    says: "no result has a file like",
  },
  "has an object of other bytes": {
    make: (all) => edit(all, /^objects/, (text) => text.replace(/\d/, (digit) => String((Number(digit) + 1) % 10))),
    says: "other bytes than its name says",
  },
  "has an object of another size": {
    make: (all) => edit(all, /^objects/, (text) => `${text} `),
    says: "no result has",
  },
  "has a manifest with other params": {
    make: (all) => edit(all, /^results/, (text) => text.replace('"text":"one"', '"text":"two"')),
    says: "does not fit its key",
  },
  "has a manifest that names other files": {
    make: (all) => edit(all, /^results/, (text) => text.replace('"path":"value.txt"', '"path":"other.txt"')),
    says: "does not fit its key",
  },
  "has a manifest with another stage's key of progress": {
    make: (all) => edit(all, /^results/, (text) => text.replace(/("identityKey":")[0-9a-f]+/, `$1${"0".repeat(64)}`)),
    says: "does not fit its key",
  },
  "has a manifest with another extent": {
    make: (all) => edit(all, /^results/, (text) => text.replace('"extent":3', '"extent":2')),
    says: "does not fit its key",
  },
  "has a manifest with an extent where there is none": {
    make: (all) => edit(all, /^results/, (text) => text.replace('"extent":null', '"extent":3')),
    says: "does not fit its key",
  },
  "has a manifest with a path that leads out": {
    make: (all) => edit(all, /^results/, (text) => text.replace('"path":"value.txt"', '"path":"../value.txt"')),
    says: "another version, or damaged",
  },
  "has a header of another version": {
    make: (all) => edit(all, /^noiseline/, (text) => text.replace('"format":1', '"format":9')),
    says: "another version, or damaged",
  },
  "has a header that names results that are not there": {
    make: (all) =>
      edit(all, /^noiseline/, (text) => text.replace('"results":{', `"results":{"z":"${"0".repeat(64)}",`)),
    says: "parts are missing",
  },
  "has a tag that is a path": {
    make: (all) => edit(all, /^noiseline/, (text) => text.replace('"tag":null', '"tag":"../../x"')),
    says: "no proper name",
  },
  "has a header that is no JSON": { make: (all) => edit(all, /^noiseline/, () => "{"), says: "is no JSON" },
};

Deno.test("an import refuses a wrong archive with one clear error, and the store stays empty", async (t) => {
  await using one = await makeTempFolder();
  const entries = await entriesOf(await archiveOf(one.path));
  for (const [how, { make, says }] of Object.entries(WRONG)) {
    await t.step(`that ${how}`, async () => {
      await using two = await makeTempFolder();
      const file = join(two.path, "wrong.tar");
      Deno.writeFileSync(file, makeTar(make(entries)));
      await assertRefused(two.path, file, says);
    });
  }
});

async function assertRefused(folder: string, file: string, says: string): Promise<void> {
  const store = openStore(join(folder, ".noiseline"));
  const result = await importResults(store, file);
  assert(!result.ok, "it was taken");
  assertEquals(result.diagnostics.length, 1);
  assertStringIncludes(result.diagnostics[0]!.message, says);
  assertEquals([store.results.keys(), [...Deno.readDirSync(store.paths.objects)]], [[], []]);
  assertEquals([...Deno.readDirSync(store.temporaryRoot)], []);
  assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [".noiseline", file.split("/").at(-1)]);
}

Deno.test("an import refuses an archive that is cut off anywhere, or no tar at all", async () => {
  await using one = await makeTempFolder();
  const whole = await Deno.readFile(await archiveOf(one.path));
  const entries = await entriesOf(join(one.path, "all.tar"));
  // Up to the end of the last entry; behind it there are only zeros.
  const content = entries.reduce((sum, { content }) => sum + 512 + Math.ceil(content!.length / 512) * 512, 0);
  for (let length = 0; length < content; length += 391) {
    await using two = await makeTempFolder();
    const file = join(two.path, "torn.tar");
    Deno.writeFileSync(file, whole.subarray(0, length));
    await assertRefused(two.path, file, "Cannot import");
  }
  await using two = await makeTempFolder();
  const file = join(two.path, "no.tar");
  Deno.writeTextFileSync(file, "what is a tar? ".repeat(1_000));
  await assertRefused(two.path, file, "Cannot import");
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
  const file = await archiveOf(one.path, null, yaml);
  const right = await runIn(one.path, yaml);
  const [b, c] = ["b", "c"].map((id) => right.stages.get(id)!.manifest!.recipeKey);
  const swapped = edit(await entriesOf(file), /^results/, (text) => {
    const recipeKey = text.includes(b!) ? c! : text.includes(c!) ? b! : undefined;
    return recipeKey === undefined ? text : JSON.stringify({ ...JSON.parse(text), recipeKey });
  });
  Deno.writeFileSync(file, makeTar(swapped));
  assert((await importResults(openStore(join(two.path, ".noiseline")), file)).ok);
  // A stage that is asked for by name is looked up by its recipe, before what it reads is there.
  const named = await runIn(two.path, yaml, { targets: ["b", "c"] });
  assertEquals(endStates(named), "a: restored, b: restored, c: restored");
  assertEquals(digestsOf(named), digestsOf(right));
});

Deno.test("an export refuses to spread damage, and leaves no file", async () => {
  await using folder = await makeTempFolder();
  const { store, contents } = await ranIn(folder.path);
  const entry = store.results.readManifest(contents.results["a"]!)!.outputs["out"]!.files[0]!;
  const path = store.objects.pathOf(entry.sha256);
  Deno.chmodSync(path, 0o644);
  Deno.writeTextFileSync(path, "x".repeat(entry.size));
  const exported = await exportResults(store, join(folder.path, "all.tar"), { contents, tag: null });
  assert(!exported.ok);
  assertStringIncludes(exported.diagnostics[0]!.message, "damaged");
  assertEquals([...Deno.readDirSync(folder.path)].filter(({ name }) => name.includes(".tar")), []);
});
