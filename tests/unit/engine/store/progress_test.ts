import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import {
  copyState,
  newestSavedStep,
  progressFolder,
  ProgressStore,
  pruneStates,
  savedSteps,
} from "../../../../engine/store/progress.ts";
import { makeTempFolder } from "../support/temp.ts";

const state = (text: string) => ({ "state.bin": new TextEncoder().encode(text), "deep/part": new Uint8Array(3) });

async function readLatest(progress: ProgressStore): Promise<string | undefined> {
  const saved = await progress.latest();
  return saved && `${saved.step}: ${new TextDecoder().decode(await saved.read("state.bin"))}`;
}

const stepsOf = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("pruneStates() keeps the newest two of those it is given, and latest() gives the newest", async () => {
  await using folder = await makeTempFolder();
  const saved: number[] = [];
  const progress = new ProgressStore(folder.path, 100, (step) => saved.push(step));
  assertEquals(await progress.latest(), undefined);
  for (const step of [10, 20, 30]) await progress.save(step, state(`at ${step}`));
  assertEquals(saved, [10, 20, 30]);
  pruneStates(folder.path, [20, 10], 100);
  assertEquals(stepsOf(folder.path), ["step-10", "step-20", "step-30"]);
  pruneStates(folder.path, savedSteps(folder.path), 100);
  assertEquals(stepsOf(folder.path), ["step-20", "step-30"]);
  assertEquals(await readLatest(progress), "30: at 30");
  assertEquals(newestSavedStep(folder.path, 100), 30);
});

Deno.test("save() of a step that is there replaces it", async () => {
  await using folder = await makeTempFolder();
  const progress = new ProgressStore(folder.path, 100);
  await progress.save(10, state("old"));
  await progress.save(10, state("new"));
  assertEquals(await readLatest(progress), "10: new");
});

Deno.test("a file at a path is in each state as a link, and a later change of it is noticed", async () => {
  await using folder = await makeTempFolder();
  const large = join(folder.path, "large");
  Deno.writeTextFileSync(large, "large and whole");
  const states = join(folder.path, "states");
  Deno.mkdirSync(states);
  const damaged: number[] = [];
  const progress = new ProgressStore(states, 100, () => {}, (step) => damaged.push(step));
  for (const step of [1, 2]) await progress.save(step, { ...state(`at ${step}`), "set/0": { path: large } });
  Deno.writeTextFileSync(`${large}.new`, "another");
  Deno.renameSync(`${large}.new`, large);
  await progress.save(3, { "set/0": { path: large } });
  const linked = (step: number) => Deno.readTextFileSync(join(states, `step-${step}/set/0`));
  assertEquals([1, 2, 3].map(linked), ["large and whole", "large and whole", "another"]);
  assertEquals(Deno.statSync(join(states, "step-1/set/0")).nlink, 2);
  assertEquals((await progress.latest())!.path("set/0"), join(states, "step-3/set/0"));
  assertEquals(damaged, []);

  // On its way to another folder, what is there already is linked, and is not read again.
  const there = join(folder.path, "there");
  Deno.mkdirSync(there);
  for (const step of [1, 2, 3]) assertEquals(await copyState(states, there, step), true);
  const numbers = [1, 2, 3].map((step) => Deno.statSync(join(there, `step-${step}/set/0`)).ino);
  assertEquals([numbers[0] === numbers[1], numbers[1] === numbers[2]], [true, false]);
  assertEquals((await new ProgressStore(there, 100).latest())?.step, 3);

  Deno.writeTextFileSync(large, "changed", { append: true });
  assertEquals((await progress.latest())?.step, 2);
  Deno.writeTextFileSync(join(states, "step-2/set/0"), "LARGE and whole");
  assertEquals((await progress.latest())?.step, undefined);
  assertEquals(damaged, [3, 3, 2, 1]);
});

const DAMAGE: Record<string, (home: string) => void> = {
  "is cut short": (home) => Deno.truncateSync(join(home, "state.bin"), 2),
  "has a flipped bit": (home) => Deno.writeTextFileSync(join(home, "state.bin"), "at 31"),
  "lacks a file": (home) => Deno.removeSync(join(home, "deep/part")),
  "has no manifest": (home) => Deno.removeSync(join(home, "manifest.json")),
  "has a torn manifest": (home) => Deno.truncateSync(join(home, "manifest.json"), 20),
  "has the manifest of another step": (home) =>
    Deno.copyFileSync(join(home, "../step-20/manifest.json"), join(home, "manifest.json")),
};
for (const [name, damage] of Object.entries(DAMAGE)) {
  Deno.test(`latest() falls back to the state before when the newest ${name}`, async () => {
    await using folder = await makeTempFolder();
    const progress = new ProgressStore(folder.path, 100);
    for (const step of [20, 30]) await progress.save(step, state(`at ${step}`));
    damage(join(folder.path, "step-30"));
    assertEquals(await readLatest(progress), "20: at 20");
    // The plan looks without hashing: only a flipped bit escapes it.
    assertEquals(newestSavedStep(folder.path, 100), name === "has a flipped bit" ? 30 : 20);
  });
}

Deno.test("states beyond the wanted extent are not used and not removed", async () => {
  await using folder = await makeTempFolder();
  const long = new ProgressStore(folder.path, 100);
  for (const step of [40, 50]) await long.save(step, state(`at ${step}`));
  const short = new ProgressStore(folder.path, 30);
  assertEquals(await short.latest(), undefined);
  assertEquals(newestSavedStep(folder.path, 30), undefined);
  for (const step of [10, 20, 30]) await short.save(step, state(`at ${step}`));
  pruneStates(folder.path, savedSteps(folder.path), 30);
  assertEquals(stepsOf(folder.path), ["step-20", "step-30", "step-40", "step-50"]);
  assertEquals(await readLatest(short), "30: at 30");
  assertEquals(await readLatest(long), "50: at 50");
});

Deno.test("a state at exactly the wanted extent is used", async () => {
  await using folder = await makeTempFolder();
  const progress = new ProgressStore(folder.path, 30);
  await progress.save(30, state("end"));
  assertEquals(await readLatest(progress), "30: end");
});

Deno.test("save() sweeps what a killed worker left, and refuses names that lead out", async () => {
  await using folder = await makeTempFolder();
  await Deno.mkdir(join(folder.path, "tmp-10-999"), { recursive: true });
  const progress = new ProgressStore(folder.path, 100);
  await progress.save(20, state("x"));
  assertEquals(stepsOf(folder.path), ["step-20"]);
  await assertRejects(() => Promise.resolve().then(() => progress.save(30, { "../out": new Uint8Array(1) })));
  assertEquals(stepsOf(folder.path), ["step-20"]);
});

Deno.test("progressFolder() separates numerics and makes them safe as a name", () => {
  const folder = progressFolder("/p", "ab".repeat(32), "onnx 1.2/avx2");
  assertEquals(folder, join("/p", "ab", "ab".repeat(32), "onnx_1.2_avx2"));
  assertEquals(progressFolder("/p", "ab".repeat(32), undefined).endsWith("any"), true);
});

Deno.test("isDue() counts from the beginning, and from the end of the last save", async () => {
  await using folder = await makeTempFolder();
  const real = performance.now;
  let nowMs = 5_000;
  performance.now = () => nowMs;
  try {
    const progress = new ProgressStore(folder.path, 100);
    nowMs += 599_999;
    assertEquals(progress.isDue(600), false);
    nowMs += 1;
    assertEquals(progress.isDue(600), true);
    await progress.save(10, state("x"));
    assertEquals(progress.isDue(600), false);
    nowMs += 600_000;
    assertEquals(progress.isDue(600), true);
  } finally {
    performance.now = real;
  }
});
