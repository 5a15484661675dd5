import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { verifyStore } from "../../../../engine/upkeep/verify.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { key, takeText } from "../support/manifest.ts";
import { endStates, runIn } from "../support/reach.ts";
import { until } from "../../../support/until.ts";
import { makeTempFolder } from "../support/temp.ts";
import { factsOf } from "../../../../engine/store/reading.ts";

const YAML = "name: p\nstages:\n  a: { uses: source, with: { text: one } }\n  b: { uses: mix, inputs: { one: a } }\n";

/** Flips a bit and hides it: size and modification time stay. */
function damage(path: string): void {
  const { atime, mtime } = Deno.statSync(path);
  const bytes = Deno.readFileSync(path);
  bytes[0]! ^= 1;
  Deno.chmodSync(path, 0o644);
  Deno.writeFileSync(path, bytes);
  Deno.utimeSync(path, atime!, mtime!);
}

Deno.test("verifyStore() names what is damaged, missing or unreadable, sets it aside, and the next run heals it", async () => {
  await using folder = await makeTempFolder();
  const { stages } = await runIn(folder.path, YAML);
  const store = openStore(join(folder.path, ".noiseline"));
  const [a, b] = ["a", "b"].map((id) => stages.get(id)!.manifest!);
  const [fileA, fileB] = [a!, b!].map((manifest) => manifest.outputs["out"]!.files[0]!);
  const good = await verifyStore(store);
  assertEquals([good.results, good.objects, good.faults], [2, 2, []]);

  const loose = await takeText(store, "loose.txt", "of nobody");
  damage(store.objects.pathOf(loose.sha256));
  damage(store.objects.pathOf(fileA!.sha256));
  Deno.removeSync(store.objects.pathOf(fileB!.sha256));
  const { faults } = await verifyStore(store);
  assertEquals(
    faults.map(({ problem, name, file, sha256 }) => [problem, name, file, sha256]).sort(),
    [
      ["damaged", undefined, undefined, loose.sha256],
      ["damaged", "p/a", "out/value.txt", fileA!.sha256],
      ["missing", "p/b", "out/value.txt", fileB!.sha256],
    ],
  );
  assert(!store.objects.has(fileA!));
  assertEquals(endStates(await runIn(folder.path, YAML)), "a: ran, b: ran");
  assertEquals((await verifyStore(store)).faults, []);
});

for (
  const [name, index, after] of [
    ["writes a torn manifest anew from the index", "kept", "a: cached, b: cached"],
    ["sets a torn manifest aside that the index does not know", "lost", "a: ran, b: cached"],
    ["sets a torn manifest aside where the index has another's words for it", "wrong", "a: ran, b: cached"],
  ] as const
) {
  Deno.test(`verifyStore() ${name}, and is content from then on`, async () => {
    await using folder = await makeTempFolder();
    const { stages } = await runIn(folder.path, YAML);
    const store = openStore(join(folder.path, ".noiseline"));
    const manifest = stages.get("a")!.manifest!;
    const path = store.results.manifestPath(manifest.resolvedKey);
    const whole = Deno.readTextFileSync(path);
    Deno.writeTextFileSync(path, "{");
    if (index === "lost") Deno.removeSync(store.paths.index);
    if (index === "wrong") {
      const lines = Deno.readTextFileSync(store.paths.index);
      Deno.writeTextFileSync(store.paths.index, lines.replaceAll(manifest.localKey, key("other")));
    }
    const { faults } = await verifyStore(openStore(store.root));
    assertEquals(
      faults.map(({ problem, name, resolvedKey }) => [problem, name, resolvedKey]),
      [["unreadable manifest", "p/a", manifest.resolvedKey]],
    );
    if (index === "kept") assertEquals(Deno.readTextFileSync(path), whole);
    else assertEquals(Deno.readTextFileSync(`${path}.broken`), "{");
    assertEquals((await verifyStore(openStore(store.root))).faults, []);
    assertEquals(endStates(await runIn(folder.path, YAML)), after);
    assertEquals(
      Deno.readTextFileSync(path).replaceAll(/"runId":"[^"]*"/g, ""),
      whole.replaceAll(/"runId":"[^"]*"/g, ""),
    );
    assertEquals((await verifyStore(openStore(store.root))).faults, []);
  });
}

Deno.test("verifyStore() hashes the objects of a result whose manifest is torn", async () => {
  await using folder = await makeTempFolder();
  const { stages } = await runIn(folder.path, YAML);
  const store = openStore(join(folder.path, ".noiseline"));
  const manifest = stages.get("a")!.manifest!;
  Deno.writeTextFileSync(store.results.manifestPath(manifest.resolvedKey), "{");
  damage(store.objects.pathOf(manifest.outputs["out"]!.files[0]!.sha256));
  const { faults } = await verifyStore(store);
  assertEquals(faults.map(({ problem, name }) => [problem, name]), [
    ["unreadable manifest", "p/a"],
    ["damaged", "p/a"],
  ]);
});

Deno.test("verifyStore() leaves alone what was made again while it looked", async () => {
  await using folder = await makeTempFolder();
  const { stages } = await runIn(folder.path, YAML);
  const store = openStore(join(folder.path, ".noiseline"));
  const manifest = stages.get("a")!.manifest!;
  Deno.writeTextFileSync(store.results.manifestPath(manifest.resolvedKey), "{");
  const entry = manifest.outputs["out"]!.files[0]!;
  const object = store.objects.pathOf(entry.sha256);
  const whole = Deno.readFileSync(object);
  damage(object);
  // A run that publishes the result holds this lock until the manifest exists.
  const publishing = await store.guards.acquireSharedGcLock();
  const looked = openStore(store.root);
  const { guards } = looked;
  let waits = false;
  const acquireExclusiveGcLock = () => {
    waits = true;
    return guards.acquireExclusiveGcLock();
  };
  const verifying = verifyStore({
    ...looked,
    guards: { acquireSharedGcLock: () => guards.acquireSharedGcLock(), acquireExclusiveGcLock } as typeof guards,
  });
  await until("it to have looked", () => waits);
  Deno.writeFileSync(object, whole);
  const newer = { ...manifest, runId: "newer" };
  await openStore(store.root).results.publish(newer);
  publishing![Symbol.dispose]();
  assertEquals((await verifying).faults.map(({ problem }) => problem), ["unreadable manifest", "damaged"]);
  assert(openStore(store.root).objects.verify(entry));
  assertEquals(store.results.readManifest(manifest.resolvedKey), newer);
});

Deno.test("verifyStore() names an object whose bytes changed under size and times that are remembered", async () => {
  await using folder = await makeTempFolder();
  const { stages } = await runIn(folder.path, YAML);
  const { root, objects, paths } = openStore(join(folder.path, ".noiseline"));
  const entry = stages.get("a")!.manifest!.outputs["out"]!.files[0]!;
  const path = objects.pathOf(entry.sha256);
  damage(path);
  const { dev, ino, size, mtimeMs, ctimeMs } = factsOf(Deno.statSync(path));
  const state = `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs} 0:`;
  Deno.writeTextFileSync(paths.digests, `${JSON.stringify({ path, state, sha256: entry.sha256 })}\n`);
  const store = openStore(root);
  assert(store.objects.verify(entry), "what is remembered is believed elsewhere");
  assertEquals((await verifyStore(store)).faults.map(({ problem, name, sha256 }) => [problem, name, sha256]), [
    ["damaged", "p/a", entry.sha256],
  ]);
});

Deno.test("verifyStore() looks at the results that it is asked for alone", async () => {
  await using folder = await makeTempFolder();
  const { stages } = await runIn(folder.path, YAML);
  const store = openStore(join(folder.path, ".noiseline"));
  damage(store.objects.pathOf(stages.get("a")!.manifest!.outputs["out"]!.files[0]!.sha256));
  const only = new Set([stages.get("b")!.manifest!.resolvedKey]);
  assertEquals(await verifyStore(store, only), { results: 1, objects: 1, bytes: 7, faults: [] });
});
