import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  chooseGarbage,
  type Garbage,
  type GcPolicy,
  type Inventory,
  type StoredRun,
} from "../../../../engine/upkeep/policy.ts";

type StoredResult = Inventory["results"][number];

const NOW = 1_000;
const time = fc.integer({ min: 0, max: NOW });
const subset = <T>(values: readonly T[]) => fc.subarray([...values]).map((found) => new Set(found));

const KEYS = Array.from({ length: 8 }, (_, i) => `r${i}`);
const IDENTITIES = ["i0", "i1", "i2", "i3"];
const OBJECTS = Array.from({ length: 10 }, (_, i) => `o${i}`);

/** Any store, even one that no run could leave: keys that are gone, shared objects, runs that cannot be read. */
const anyInventory: fc.Arbitrary<Inventory> = fc.record({
  results: subset(KEYS).chain((keys) =>
    fc.tuple(...[...keys].map((key) =>
      fc.record({
        key: fc.constant(key),
        kind: fc.constant("train"),
        identityKey: fc.constantFrom(...IDENTITIES),
        extent: fc.option(fc.integer({ min: 1, max: 9 })),
        publishedMs: time,
        objects: fc.array(fc.constantFrom(...OBJECTS), { maxLength: 4 }),
      })
    ))
  ),
  objects: subset(OBJECTS).chain((names) =>
    fc.tuple(
      ...[...names].map((name) =>
        fc.tuple(fc.constant(name), fc.record({ bytes: fc.integer({ min: 1, max: 50 }), changedMs: time }))
      ),
    )
  ).map((entries) => new Map(entries)),
  progress: fc.array(
    fc.record({
      identityKey: fc.constantFrom(...IDENTITIES),
      bytes: fc.nat(50),
      changedMs: time,
      newestStep: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
    }),
    { maxLength: 4 },
  ).map((all) => all.map((one, i) => ({ ...one, path: `p${i}` }))),
  runs: fc.array(
    fc.record({
      pipeline: fc.constantFrom("x", "y", undefined),
      live: fc.boolean(),
      lastMs: time,
      bytes: fc.nat(5),
      results: subset(KEYS),
      identities: subset(IDENTITIES),
    }),
    { maxLength: 6 },
  ).map((all) => all.map((one, i) => ({ ...one, id: `run${i}` }))),
  files: fc.array(fc.record({ bytes: fc.nat(50), changedMs: time }), { maxLength: 3 })
    .map((all) => all.map((one, i) => ({ ...one, path: `f${i}` }))),
  tagged: subset(KEYS),
  shown: subset(KEYS),
});

const anyPolicy: fc.Arbitrary<GcPolicy> = fc.record({
  nowMs: fc.constant(NOW),
  olderThanMs: fc.integer({ min: 0, max: NOW }),
  maxBytes: fc.integer({ min: 0, max: 400 }),
  keepRuns: fc.nat(3),
  graceMs: fc.integer({ min: 0, max: 200 }),
});

/** The rules for what must stay, restated as questions about one thing at a time. */
function rules({ results, progress, runs, tagged, shown }: Inventory, policy: GcPolicy) {
  const old = (ms: number) => NOW - ms > policy.olderThanMs;
  const isLast = (run: StoredRun) =>
    run.pipeline !== undefined &&
    runs.filter(({ pipeline, id }) => pipeline === run.pipeline && id > run.id).length < policy.keepRuns;
  const keepsRun = (run: StoredRun) => run.live || isLast(run);
  const isUnfinished = (identity: string) =>
    runs.some((run) => run.live && run.identities.has(identity)) ||
    progress.some(({ identityKey, newestStep, changedMs }) =>
      identityKey === identity && newestStep !== undefined && !old(changedMs) &&
      results.every((one) => one.identityKey !== identity || (one.extent !== null && one.extent < newestStep))
    );
  const needsRun = (run: StoredRun) => keepsRun(run) || [...run.identities].some(isUnfinished);
  const keepsResult = ({ key }: StoredResult) =>
    tagged.has(key) || shown.has(key) || runs.some((run) => needsRun(run) && run.results.has(key));
  const lastUse = ({ key, publishedMs }: StoredResult) =>
    Math.max(publishedMs, ...runs.filter((run) => run.results.has(key)).map(({ lastMs }) => lastMs));
  const keepsProgress = (identity: string) =>
    isUnfinished(identity) || results.some((one) => one.identityKey === identity && keepsResult(one));
  return { old, needsRun, keepsResult, lastUse, keepsProgress };
}

/** Everything that may be removed, with the time of its last use, and true if it is removed. */
function removables(inventory: Inventory, policy: GcPolicy, garbage: Garbage) {
  const { keepsResult, lastUse, keepsProgress } = rules(inventory, policy);
  return [
    ...inventory.results.filter((one) => !keepsResult(one)).map((one) => ({
      lastUsedMs: lastUse(one),
      removal: garbage.results.get(one.key),
    })),
    ...inventory.progress.filter(({ identityKey }) => !keepsProgress(identityKey)).map(({ path, changedMs }) => ({
      lastUsedMs: changedMs,
      removal: garbage.progress.get(path),
    })),
    ...inventory.files.map(({ path, changedMs }) => ({ lastUsedMs: changedMs, removal: garbage.files.get(path) })),
  ];
}

function check(property: (inventory: Inventory, policy: GcPolicy, garbage: Garbage) => void): void {
  fc.assert(
    fc.property(anyInventory, anyPolicy, (inventory, policy) => {
      property(inventory, policy, chooseGarbage(inventory, policy));
    }),
    { numRuns: 1_000, seed: 6 },
  );
}

Deno.test("gc never chooses what is kept", () => {
  check((inventory, policy, garbage) => {
    const { keepsResult, keepsProgress, needsRun } = rules(inventory, policy);
    for (const one of inventory.results) {
      if (!keepsResult(one)) continue;
      assert(!garbage.results.has(one.key), one.key);
      for (const sha256 of one.objects) assert(!garbage.objects.has(sha256), sha256);
    }
    for (const { path, identityKey } of inventory.progress) {
      if (keepsProgress(identityKey)) assert(!garbage.progress.has(path), path);
    }
    for (const run of inventory.runs) if (needsRun(run)) assert(!garbage.runs.has(run.id), run.id);
  });
});

Deno.test("gc chooses all that is old and that nothing keeps, and nothing young while the store is small enough", () => {
  check((inventory, policy, garbage) => {
    const { old, needsRun } = rules(inventory, policy);
    for (const { lastUsedMs, removal } of removables(inventory, policy, garbage)) {
      assertEquals(removal?.reason === "age", old(lastUsedMs));
    }
    for (const run of inventory.runs) assertEquals(garbage.runs.has(run.id), !needsRun(run) && old(run.lastMs));
  });
});

Deno.test("gc goes below the size if it can, oldest use first, and takes nothing more than that needs", () => {
  check((inventory, policy, garbage) => {
    const all = removables(inventory, policy, garbage);
    const bySize = all.filter(({ removal }) => removal?.reason === "size");
    const left = all.filter(({ removal }) => removal === undefined);
    if (garbage.bytesAfter > policy.maxBytes) assertEquals(left, []);
    for (const gone of bySize) for (const stays of left) assert(gone.lastUsedMs <= stays.lastUsedMs);
    const newest = Math.max(...bySize.map(({ lastUsedMs }) => lastUsedMs));
    const last = bySize.filter(({ lastUsedMs }) => lastUsedMs === newest).map(({ removal }) => removal!.bytes);
    if (last.length > 0) assert(garbage.bytesAfter + last.reduce((a, b) => a + b, 0) > policy.maxBytes);
  });
});

Deno.test("gc leaves the objects of all results that stay, and of the others only young ones that belong to nothing", () => {
  check((inventory, policy, garbage) => {
    const named = (results: readonly StoredResult[]) => new Set(results.flatMap(({ objects }) => objects));
    const before = named(inventory.results);
    const after = named(inventory.results.filter(({ key }) => !garbage.results.has(key)));
    for (const [sha256, { changedMs }] of inventory.objects) {
      const young = !before.has(sha256) && NOW - changedMs <= policy.graceMs;
      assertEquals(garbage.objects.has(sha256), !after.has(sha256) && !young);
    }
  });
});

Deno.test("gc counts the bytes that are left as they are", () => {
  check((inventory, _policy, garbage) => {
    const sum = (parts: Iterable<{ bytes: number }>) => [...parts].reduce((total, { bytes }) => total + bytes, 0);
    const left = sum([...inventory.objects].filter(([id]) => !garbage.objects.has(id)).map(([, one]) => one)) +
      sum(inventory.progress.filter(({ path }) => !garbage.progress.has(path))) +
      sum(inventory.runs.filter(({ id }) => !garbage.runs.has(id))) +
      sum(inventory.files.filter(({ path }) => !garbage.files.has(path)));
    assertEquals(garbage.bytesAfter, left);
    const removed = [garbage.objects, garbage.progress, garbage.runs, garbage.files].map((part) => sum(part.values()));
    assertEquals(garbage.bytesBefore - garbage.bytesAfter, removed.reduce((a, b) => a + b, 0));
  });
});
