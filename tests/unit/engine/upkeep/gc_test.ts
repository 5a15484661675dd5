import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { collectGarbage, type GcOptions, type GcReport } from "../../../../engine/upkeep/gc.ts";
import { acquireLock } from "../../../../engine/store/locks.ts";
import { progressFolder, ProgressStore } from "../../../../engine/store/progress.ts";
import { openStore, type Store } from "../../../../engine/store/store.ts";
import { key, manifestOf, openFreshStore, takeText } from "../support/manifest.ts";
import { endStates, planIn, planned, runIn } from "../support/reach.ts";
import { until } from "../../../support/until.ts";
import { makeTempFolder } from "../support/temp.ts";
import { newRunId } from "../../../../engine/store/run_ids.ts";
import { timeIn } from "../../../support/clock.ts";

const YAML = "name: p\nstages:\n  a: { uses: source, with: { text: one } }\n  b: { uses: mix, inputs: { one: a } }\n";
const CHANGED = YAML.replace("one }", "two }");

/** Cleans up as if it were a year later, when nothing is recent any more. */
async function gc(store: Store, options: Partial<GcOptions> = {}): Promise<GcReport> {
  const nowMs = timeIn({ days: 365 });
  const report = await collectGarbage(store, { dryRun: false, keepRuns: 1, nowMs, ...options });
  if (!report.ok) throw new Error(report.diagnostics.map(({ message }) => message).join("\n"));
  assertEquals(report.value.failed, []);
  return report.value;
}

/** Returns every file of a folder with its bytes. */
function contentOf(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (path: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(path)) {
      if (isDirectory) visit(join(path, name));
      else found[join(path, name)] = Deno.readTextFileSync(join(path, name));
    }
  };
  visit(folder);
  return found;
}

const storeOf = (folder: string) => openStore(join(folder, ".noiseline"));

Deno.test("gc removes what no run, tag or folder of outputs keeps, and the rest is still cached", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, YAML);
  await runIn(folder.path, CHANGED);
  const store = storeOf(folder.path);
  const report = await gc(store);
  assertEquals(report.results.map(({ name }) => name).sort(), ["p/a", "p/b"]);
  assertEquals([report.objects.count, report.runs.count, report.kept], [2, 1, { outputs: 2 }]);
  assert(report.bytesAfter < report.bytesBefore && report.compactedBytes! > 0);
  assertEquals(planned(await planIn(folder.path, CHANGED)), "a: cached, b: cached");
  assertEquals(endStates(await runIn(folder.path, YAML)), "a: ran, b: ran");
});

/**
 * Makes the tag `one` name the results of all stages.
 * @returns their keys, by stage
 */
function tagAll({ tags }: Store, { stages }: Awaited<ReturnType<typeof runIn>>): Record<string, string> {
  const results = Object.fromEntries([...stages].map(([id, { manifest }]) => [id, manifest!.resolvedKey]));
  tags.write("one", { format: 1, pipeline: "p", overrides: [], results });
  return results;
}

Deno.test("gc keeps what a tag names, and lets it go with the tag", async () => {
  await using folder = await makeTempFolder();
  const first = await runIn(folder.path, YAML);
  await runIn(folder.path, CHANGED);
  const store = storeOf(folder.path);
  tagAll(store, first);
  assertEquals((await gc(store)).kept, { outputs: 2, tag: 2 });
  assertEquals(endStates(await runIn(folder.path, YAML)), "a: restored, b: restored");
  await runIn(folder.path, CHANGED);
  store.tags.remove("one");
  assertEquals((await gc(storeOf(folder.path))).results.length, 2);
});

Deno.test("gc keeps what a tag names also while its manifest is torn and the index alone remembers it", async () => {
  await using folder = await makeTempFolder();
  const first = await runIn(folder.path, YAML);
  await runIn(folder.path, CHANGED);
  const store = storeOf(folder.path);
  const results = tagAll(store, first);
  for (const resolvedKey of Object.values(results)) {
    Deno.writeTextFileSync(store.results.manifestPath(resolvedKey), "{");
  }
  const report = await gc(store);
  assertEquals([report.kept, report.objects.count, report.leftovers.count], [{ outputs: 2, tag: 2 }, 0, 0]);
  assertEquals(endStates(await runIn(folder.path, YAML)), "a: restored, b: restored");
});

Deno.test("gc keeps what the last runs used although outputs show something else", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, YAML);
  await runIn(folder.path, CHANGED);
  const report = await gc(storeOf(folder.path), { keepRuns: 2 });
  assertEquals([report.results, report.kept], [[], { outputs: 2, run: 2 }]);
  assertEquals(endStates(await runIn(folder.path, YAML)), "a: restored, b: restored");
});

Deno.test("gc refuses while a tag cannot be read, and touches nothing", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, YAML);
  const store = storeOf(folder.path);
  Deno.mkdirSync(join(store.root, "tags"));
  Deno.writeTextFileSync(join(store.root, "tags/torn.json"), '{"format":1');
  const before = contentOf(store.root);
  const report = await collectGarbage(store, { dryRun: false, olderThanMs: 0, keepRuns: 0 });
  assert(!report.ok);
  assertStringIncludes(report.diagnostics[0]!.message, '"torn"');
  const after = contentOf(store.root);
  const outside = Object.keys(before).filter((path) => !path.includes("/locks/"));
  for (const path of outside) assertEquals(after[path], before[path], path);
});

Deno.test("gc as a dry run says the same as the real one and writes nothing", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, YAML);
  await runIn(folder.path, CHANGED);
  const store = storeOf(folder.path);
  const before = contentOf(store.root);
  const dry = await gc(store, { dryRun: true });
  assertEquals(contentOf(store.root), before);
  const real = await gc(store);
  assertEquals(dry.results, real.results);
  assertEquals([dry.objects, dry.runs, dry.bytesAfter], [real.objects, real.runs, real.bytesAfter]);
});

Deno.test("gc of a store that does not exist finds nothing and does not make one", async () => {
  await using folder = await makeTempFolder();
  const report = await gc(storeOf(folder.path));
  assertEquals([report.bytesBefore, report.results.length], [0, 0]);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("gc sweeps what killed processes left, and leaves what is young or of a live process", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, YAML);
  const store = storeOf(folder.path);
  // No process has this id: the kernel's largest is 2^22.
  const dead = 5_000_000;
  const manifest = store.results.keys()[0]!;
  const shard = dirname(store.results.manifestPath(manifest));
  const orphan = await takeText(store, "orphan.txt", "nobody names me");
  const gone = [
    store.objects.pathOf(orphan.sha256),
    `${store.objects.pathOf(key("x"))}.broken`,
    `${join(shard, `${key("x")}.json`)}.broken`,
    join(shard, `${key("x")}.json.${dead}.0.tmp`),
    join(store.root, `index.jsonl.${dead}.3.tmp`),
    join(store.paths.tmp, `20200101T000000000-${dead.toString(36)}-train`),
    join(folder.path, `outputs/p/.new-a-${dead}`),
    join(folder.path, `outputs/p/.old-b~lr=0.1-${dead}`),
    store.lockPath(key("nothing")),
  ];
  const stays = [
    join(folder.path, `outputs/p/.old-a-${Deno.pid}`),
    join(folder.path, "outputs/p/.mine"),
    join(store.root, `index.jsonl.${Deno.pid}.3.tmp`),
    store.lockPath(store.results.readManifest(manifest)!.identityKey),
  ];
  for (const path of [...gone.slice(1), ...stays.slice(0, -1)]) {
    Deno.mkdirSync(dirname(path), { recursive: true });
    Deno.writeTextFileSync(path, "left");
  }
  const there = (paths: readonly string[]) => paths.filter((path) => contentOf(folder.path)[path] !== undefined);
  await gc(store, { nowMs: timeIn({}) });
  assertEquals(there(gone.slice(0, -1)).length, gone.length - 1, "young ones stay");
  await gc(store);
  assertEquals(there(gone), []);
  assertEquals(there(stays), stays);
});

Deno.test("gc compacts files that are only appended to, so that they say the same in fewer lines", async () => {
  await using folder = await makeTempFolder();
  for (let i = 0; i < 4; i++) {
    await runIn(folder.path, YAML);
    await runIn(folder.path, CHANGED);
  }
  const store = storeOf(folder.path);
  const lines = () =>
    [store.paths.index, join(store.paths.views, "p.jsonl"), store.paths.timings]
      .map((path) => Deno.readTextFileSync(path).trim().split("\n").length);
  const [, views] = lines();
  assertEquals(views, 16);
  await gc(store, { keepRuns: 9 });
  assertEquals(lines()[1], 2);
  assertEquals(planned(await planIn(folder.path, CHANGED)), "a: cached, b: cached");
  assertEquals(endStates(await runIn(folder.path, YAML)), "a: restored, b: restored");
});

Deno.test("gc forgets digests of files and folders that are gone, and all but the last of the others", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  const places = [".noiseline/index", "gone", ".noiseline/tmp", "gone", ".noiseline/views", ".noiseline/tmp"];
  const lines = places.map((place, nr) => {
    return JSON.stringify({ path: join(folder.path, place), state: String(nr), sha256: key(place) });
  });
  Deno.writeTextFileSync(store.paths.digests, `${lines.join("\n")}\nnull\n{"torn`);
  assert((await gc(store)).compactedBytes! > 0);
  const left = Deno.readTextFileSync(store.paths.digests).trimEnd().split("\n");
  assertEquals(left.sort(), [lines[4], lines[5]].sort());
});

Deno.test("gc removes downloads by their age, but none while a run is on", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  const files = ["one", "two"].map((name) => join(store.paths.downloads, key(name)));
  Deno.mkdirSync(store.paths.downloads);
  for (const path of files) Deno.writeTextFileSync(path, "a few bytes");
  const left = () => files.filter((path) => contentOf(store.root)[path] !== undefined);
  const start = new Date();
  store.runs.start({
    format: 1,
    runId: newRunId(start, Deno.pid),
    pipeline: "p",
    file: "p.yaml",
    overrides: [],
    status: "running",
    startedAt: start.toISOString(),
    endedAt: null,
    pid: Deno.pid,
    host: hostname(),
    versions: {},
    stages: {},
  });
  {
    using _run = await store.guards.markInUse();
    assertEquals((await gc(store)).files, { count: 0, bytes: 0 });
    assertEquals(left(), files);
  }
  assertEquals((await gc(store, { nowMs: timeIn({}) })).files.count, 0, "young ones stay");
  assertEquals((await gc(store)).files, { count: 2, bytes: 22 });
  assertEquals(left(), []);
});

Deno.test("gc leaves locks and files alone while a run is on, and the progress of a stage that is at work", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, YAML);
  const store = storeOf(folder.path);
  const progress = progressFolder(store.paths.progress, key("work"), undefined);
  await new ProgressStore(progress, 9).save(3, { state: new Uint8Array(5) });
  // A lock whose key the store does not know: a live run may be about to wait for it.
  const lock = store.lockPath(key("nothing yet"));
  Deno.writeTextFileSync(lock, "");
  const { ino } = Deno.statSync(lock);
  {
    using _run = await store.guards.markInUse();
    using _stage = await acquireLock(store.lockPath(key("work")));
    const nowMs = timeIn({ days: 365 });
    const report = await collectGarbage(store, { dryRun: false, nowMs });
    assert(report.ok);
    assertEquals([report.value.compactedBytes, report.value.failed, report.value.busy], [undefined, [], [progress]]);
    assertEquals([report.value.locks, Deno.statSync(lock).ino], [0, ino]);
  }
  const { progress: removed, locks } = await gc(store);
  // The lock of the removed progress is not needed any more either.
  assertEquals([removed.count, locks], [1, 2]);
  assertEquals(
    [...Deno.readDirSync(store.paths.progress)].flatMap(({ name }) => [
      ...Deno.readDirSync(join(store.paths.progress, name)),
    ]),
    [],
  );
});

Deno.test("gc waits until what is being published has its manifest", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  const still = await store.guards.acquireSharedGcLock();
  const file = await takeText(store, "x.txt", "on its way");
  let waited = false;
  const cleaning = gc(store, { onWait: () => waited = true });
  await until("it to wait", () => waited);
  await store.results.publish(manifestOf("x", [file]));
  store.tags.write("x", { format: 1, pipeline: "p", overrides: [], results: { x: key("x resolved") } });
  still![Symbol.dispose]();
  assertEquals((await cleaning).results, []);
  assert(store.objects.verify(file));
});
