import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { collectGarbage, type GcOptions, type GcReport } from "../../../../engine/housekeeping/gc.ts";
import { DigestCache } from "../../../../engine/store/digest_cache.ts";
import { acquireLock } from "../../../../engine/store/locks.ts";
import { progressFolder, ProgressStore } from "../../../../engine/store/progress.ts";
import { newRunId } from "../../../../engine/store/runs.ts";
import { openStore, type Store } from "../../../../engine/store/store.ts";
import { key, manifestOf, openFreshStore, takeText } from "../support/manifest.ts";
import { endStates, planIn, planned, runIn } from "../support/reach.ts";
import { makeTempFolder } from "../support/temp.ts";

const YAML = "name: p\nstages:\n  a: { uses: source, with: { text: one } }\n  b: { uses: mix, inputs: { one: a } }\n";
const CHANGED = YAML.replace("one }", "two }");

/** Clean up as if it were a year later, when nothing is young any more. */
async function gc(store: Store, options: Partial<GcOptions> = {}): Promise<GcReport> {
  const nowMs = Date.now() + 365 * 86_400_000;
  const report = await collectGarbage(store, { dryRun: false, keepRuns: 1, nowMs, ...options });
  if (!report.ok) throw new Error(report.diagnostics.map(({ message }) => message).join("\n"));
  assertEquals(report.value.failed, []);
  return report.value;
}

/** Every file of a folder with its bytes. */
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

Deno.test("gc keeps what a tag names, and lets it go with the tag", async () => {
  await using folder = await makeTempFolder();
  const first = await runIn(folder.path, YAML);
  await runIn(folder.path, CHANGED);
  const store = storeOf(folder.path);
  const results = Object.fromEntries([...first.stages].map(([id, { manifest }]) => [id, manifest!.resolvedKey]));
  store.tags.write("one", { format: 1, pipeline: "p", overrides: [], results });
  assertEquals((await gc(store)).kept, { outputs: 2, tag: 2 });
  assertEquals(endStates(await runIn(folder.path, YAML)), "a: restored, b: restored");
  await runIn(folder.path, CHANGED);
  store.tags.remove("one");
  assertEquals((await gc(storeOf(folder.path))).results.length, 2);
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
  const orphan = takeText(store, "orphan.txt", "nobody names me");
  const gone = [
    store.objects.pathOf(orphan.sha256),
    `${store.objects.pathOf(key("x"))}.broken`,
    join(shard, `${key("x")}.json.${dead}.0.tmp`),
    join(store.root, `index.jsonl.${dead}.3.tmp`),
    join(store.temporaryRoot, `20200101T000000000-${dead.toString(36)}-train`),
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
  await gc(store, { nowMs: Date.now() });
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

/** A folder whose files were left alone for long, so that their digests are remembered. */
const SETTLED = fileURLToPath(import.meta.resolve("../../../../schemas/kinds"));

Deno.test("gc keeps the newest digest of each outside folder and file that is there", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, YAML);
  const store = storeOf(folder.path);
  const files = [...Deno.readDirSync(SETTLED)].map(({ name }) => ({
    path: name,
    info: Deno.statSync(join(SETTLED, name)),
  }));
  // In other orders the facts of the same files have other digests, as those of an edited folder would.
  const orders = [files, files.toReversed(), files, files.toReversed()];
  for (const [index, order] of orders.entries()) {
    store.digests.folderDigest(SETTLED, order, () => `${index}`.repeat(64));
  }
  store.digests.digest(join(SETTLED, files[0]!.path));
  const path = store.digests.foldersPath;
  const lines = (of: string) => Deno.readTextFileSync(of).trim().split("\n");
  const gone = { ...JSON.parse(lines(path)[0]!), folder: join(folder.path, "gone") };
  Deno.writeTextFileSync(path, `${JSON.stringify(gone)}\n`, { append: true });
  const before = lines(path);
  assertEquals([before.length, lines(store.paths.digests).length], [5, 1]);
  await gc(store);
  assertEquals(lines(path), [before[3]]);
  const again = new DigestCache(store.paths.digests);
  assertEquals(again.folderDigest(SETTLED, orders[3]!, () => "not asked"), "3".repeat(64));
  assertEquals(lines(store.paths.digests).length, 1);
});

Deno.test("gc removes downloads and parsed files that are old, and none while a run is on", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, YAML);
  const store = storeOf(folder.path);
  const paths = [join(store.downloadsRoot, key("data")), join(store.paths.cache, `yaml-1-${key("text")}.json`)];
  Deno.mkdirSync(store.downloadsRoot);
  for (const path of paths) Deno.writeTextFileSync(path, "12345");
  const there = () => paths.filter((path) => contentOf(store.root)[path] !== undefined);
  assertEquals((await gc(store, { nowMs: Date.now() })).files, { count: 0, bytes: 0 });

  const run = {
    ...store.runs.read(store.runs.ids()[0]!)!,
    runId: newRunId(new Date(), Deno.pid),
    status: "running" as const,
    endedAt: null,
    pid: Deno.pid,
    host: hostname(),
  };
  store.runs.start(run);
  {
    using _run = await store.guards.markInUse();
    assertEquals((await gc(store)).files, { count: 0, bytes: 0 });
  }
  store.runs.write({ ...run, status: "done", endedAt: new Date().toISOString() });
  assertEquals(there(), paths);
  assertEquals((await gc(store)).files, { count: 2, bytes: 10 });
  assertEquals(there(), []);
});

Deno.test("gc leaves files alone that a run keeps open, and the progress of a stage that is at work", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, YAML);
  const store = storeOf(folder.path);
  const progress = progressFolder(store.progressRoot, key("work"), undefined);
  await new ProgressStore(progress, 9).save(3, { state: new Uint8Array(5) });
  {
    using _run = await store.guards.markInUse();
    using _stage = await acquireLock(store.lockPath(key("work")));
    const nowMs = Date.now() + 365 * 86_400_000;
    const report = await collectGarbage(store, { dryRun: false, nowMs });
    assert(report.ok);
    assertEquals([report.value.compactedBytes, report.value.failed, report.value.busy], [undefined, [], [progress]]);
  }
  assertEquals((await gc(store)).progress.count, 1);
  assertEquals(
    [...Deno.readDirSync(store.progressRoot)].flatMap(({ name }) => [
      ...Deno.readDirSync(join(store.progressRoot, name)),
    ]),
    [],
  );
});

Deno.test("gc waits until what is being published has its manifest", async () => {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  const still = await store.guards.holdStill();
  const file = takeText(store, "x.txt", "on its way");
  let waited = false;
  const cleaning = gc(store, { onWait: () => waited = true });
  await new Promise((resolve) => setTimeout(resolve, 20));
  store.results.publish(manifestOf("x", [file]));
  assert(waited);
  store.tags.write("x", { format: 1, pipeline: "p", overrides: [], results: { x: key("x resolved") } });
  still![Symbol.dispose]();
  assertEquals((await cleaning).results, []);
  assert(store.objects.verify(file));
});
