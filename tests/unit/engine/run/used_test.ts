import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { setOperationHook } from "../../../support/operations.ts";
import { tryExclusiveLock } from "../../../../engine/store/locks.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { runIn } from "../support/reach.ts";
import { makeTempFolder } from "../support/temp.ts";
import { machine } from "../support/tiny_kinds.ts";

const YAML = "name: p\nstages:\n  a: { uses: source, with: { text: one } }\n  b: { uses: mix, inputs: { one: a } }\n";
const storeOf = (folder: string) => openStore(join(folder, ".noiseline"));

Deno.test("a run notes every result that it relies on, also those that were cached when it began", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, YAML);
  const run = await runIn(folder.path, YAML.replace("one: a }", "one: a }, with: { text: new }"));
  const { runs } = storeOf(folder.path);
  const keys = Object.fromEntries([...run.stages].map(([id, { manifest }]) => [id, manifest!.resolvedKey]));
  assertEquals(Object.keys(runs.read(run.runId!)!.stages), ["b"]);
  assertEquals(runs.used(run.runId!), { results: keys, shards: {}, progress: {} });
});

Deno.test("notes of use that are torn or strange are skipped, and a record without notes still tells", async () => {
  await using folder = await makeTempFolder();
  const run = await runIn(folder.path, YAML);
  const { runs } = storeOf(folder.path);
  const whole = runs.used(run.runId!);
  const path = join(runs.folderOf(run.runId!), "used.jsonl");
  Deno.writeTextFileSync(path, '{"results":{"c":"no key"}}\nnull\n{"results":{"a"', { append: true });
  assertEquals(runs.used(run.runId!), whole);
  // Runs of older versions have no such record.
  Deno.removeSync(path);
  assertEquals(runs.used(run.runId!), whole);
});

Deno.test("a run records it when a key gives other bytes than before, and which of them it kept", async () => {
  await using folder = await makeTempFolder();
  const first = await runIn(folder.path, YAML);
  const [a, b] = ["a", "b"].map((id) => first.stages.get(id)!.manifest!);
  // As if "a" had produced the bytes of "b" when it ran first.
  const strange = { ...a!, outputs: b!.outputs, runId: "earlier" };
  await storeOf(folder.path).results.publish(strange);
  assertEquals(storeOf(folder.path).differences.all(), []);
  const kept = await runIn(folder.path, YAML, { targets: ["a"], force: new Set(["a"]) });
  const digest = (manifest: typeof a) => ({ out: manifest!.outputs["out"]!.digest });
  const difference = {
    resolvedKey: a!.resolvedKey,
    pipeline: "p",
    stage: "a",
    cause: "non-determinism",
    first: { outputs: digest(strange), numerics: null, runId: "earlier" },
    second: { outputs: digest(a), numerics: null, runId: kept.runId },
    kept: "first",
  };
  assertEquals(storeOf(folder.path).differences.all() as unknown[], [difference]);
  assertEquals(storeOf(folder.path).results.readManifest(a!.resolvedKey)!.outputs, strange.outputs);
  const replaced = await runIn(folder.path, YAML, { targets: ["a"], force: new Set(["a"]), replace: true });
  const [, second] = storeOf(folder.path).differences.all();
  assertEquals([second!.kept, second!.second.runId], ["second", replaced.runId]);
  assert(storeOf(folder.path).results.readManifest(a!.resolvedKey)!.outputs["out"]!.digest === digest(a).out);
});

Deno.test("a run that gives other bytes than before says whether the device explains it", async () => {
  await using folder = await makeTempFolder();
  const yaml = "name: p\nstages:\n  a: { uses: compute }\n  b: { uses: source, with: { text: other } }\n";
  const on = (numerics: string) => machine.devices = { fast: { numerics } };
  on("fast/1");
  const first = await runIn(folder.path, yaml);
  const [a, b] = ["a", "b"].map((id) => first.stages.get(id)!.manifest!);
  // As if "a" had produced the bytes of "b" when it ran first.
  await storeOf(folder.path).results.publish({ ...a!, outputs: b!.outputs });
  const force = async (more: { replace?: boolean } = {}) => {
    const { events } = await runIn(folder.path, yaml, { targets: ["a"], force: new Set(["a"]), ...more });
    return events.flatMap((event) => event.type === "stage-note" && event.level === "warn" ? [event.message] : []);
  };
  const [old, made] = [b, a].map((manifest) => manifest!.outputs["out"]!.digest.slice(0, 12));
  const two = `one key, two results (out ${old} and ${made})`;
  assertEquals(await force(), [
    `not deterministic: ${two}; the first result is kept; use --replace to keep the new one`,
  ]);
  on("fast/2");
  assertEquals(await force({ replace: true }), [
    `differs by device (fast/1 and fast/2): ${two}; the new result replaces the first`,
  ]);
  const all = storeOf(folder.path).differences.all();
  assertEquals(all.map(({ cause, first, second, kept }) => [cause, first.numerics, second.numerics, kept]), [
    ["non-determinism", "fast/1", "fast/1", "first"],
    ["device", "fast/1", "fast/2", "second"],
  ]);
  // The same bytes from another device are not a difference.
  on("fast/3");
  assertEquals([await force(), storeOf(folder.path).differences.all().length], [[], 2]);
});

/** Returns the names of the places to which a run writes while `gc` could begin, and of those where it could not. */
async function watch(folder: string, work: () => Promise<unknown>) {
  const guarded = new Set<string>();
  const open = new Set<string>();
  setOperationHook((operation, path) => {
    if (!["rename", "copy", "append", "write"].includes(operation)) return;
    const place = /\/(objects|results|outputs|runs|index\.jsonl)\b/.exec(path)?.[1];
    if (place === undefined) return;
    const name = place === "runs" ? path.replace(/.*\/(\w+)[^/]*$/, "$1") : place;
    // A lock that this process shares elsewhere cannot be acquired exclusively.
    using alone = tryExclusiveLock(join(folder, ".noiseline/locks/still.lock"));
    (alone === undefined ? guarded : open).add(name);
  });
  try {
    await work();
  } finally {
    setOperationHook(undefined);
  }
  // The events of one stage and of the run may be recorded while another stage holds the lock, or while none does.
  guarded.delete("stages");
  open.delete("stages");
  open.delete("run");
  return { guarded: [...guarded].sort(), open: [...open].sort() };
}

Deno.test("gc cannot begin between what a run finds or publishes and the note that it uses it", async () => {
  await using folder = await makeTempFolder();
  // The store exists, so that there is something to lose.
  await runIn(folder.path, "name: q\nstages:\n  z: { uses: source, with: { text: z } }\n");
  const first = await watch(folder.path, () => runIn(folder.path, YAML));
  assertEquals(first.guarded, ["index.jsonl", "objects", "outputs", "plan", "results", "run", "used"]);
  assertEquals(first.open, []);
  Deno.removeSync(join(folder.path, "outputs"), { recursive: true });
  const restoring = await watch(folder.path, () => runIn(folder.path, YAML));
  assertEquals(restoring.guarded, ["outputs", "plan", "run", "used"]);
  assertEquals(restoring.open, []);
});
