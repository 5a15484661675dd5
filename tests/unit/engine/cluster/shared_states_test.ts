import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { SharedStates } from "../../../../engine/cluster/shared_states.ts";
import { ProgressStore } from "../../../../engine/store/progress.ts";
import { makeTempFolder } from "../support/temp.ts";

const KEY = "ab".repeat(32);

/** One attempt on one node, with the states that it has saved and those that are shared. */
async function attempt(root: string, name: string, limit = 100, numerics = "wasm") {
  const progress = join(root, "nodes", name);
  Deno.mkdirSync(progress, { recursive: true });
  const states = new SharedStates(join(root, "states"), name, { identityKey: KEY, numerics, limit, progress });
  const local = new ProgressStore(progress, limit);
  return {
    download: () => states.download(),
    async save(...steps: number[]) {
      for (const step of steps) {
        await local.save(step, {
          value: new TextEncoder().encode(`${name} at ${step}`),
          "deep/more": new Uint8Array(9),
        });
        states.send(step);
        await states.settle();
      }
      return await states.settle();
    },
    states,
    local,
    async read() {
      const saved = await local.latest();
      return saved && new TextDecoder().decode(await saved.read("value"));
    },
  };
}

const homeOf = (root: string, name: string, step: number) => join(root, "states/ab", KEY, "wasm", name, `step-${step}`);

function shared(root: string): string[] {
  const folder = join(root, "states/ab", KEY, "wasm");
  return [...Deno.readDirSync(folder)].flatMap(({ name }) =>
    [...Deno.readDirSync(join(folder, name))].map((state) => `${name} ${state.name}`)
  ).sort();
}

Deno.test("an attempt goes on from the newest state of all attempts, and the newest two of all stay", async () => {
  await using folder = await makeTempFolder();
  const first = await attempt(folder.path, "8.0");
  assertEquals(await first.download(), 0);
  assertEquals(await first.save(10, 20, 30), 30);
  assertEquals(shared(folder.path), ["8.0 step-20", "8.0 step-30"]);
  const second = await attempt(folder.path, "8.1");
  assertEquals([await second.download(), await second.read()], [30, "8.0 at 30"]);
  await second.save(40);
  assertEquals(shared(folder.path), ["8.0 step-30", "8.1 step-40"]);
  // An old attempt that is still alive writes only to its own folder, and a state that it saves late is not the newest.
  await first.save(35);
  assertEquals(shared(folder.path), ["8.0 step-35", "8.1 step-40"]);
  const third = await attempt(folder.path, "9.0");
  assertEquals([await third.download(), await third.read()], [40, "8.1 at 40"]);
});

Deno.test("states of longer runs and of other numerics are neither used nor removed", async () => {
  await using folder = await makeTempFolder();
  const long = await attempt(folder.path, "1.0");
  await long.save(40, 50);
  const short = await attempt(folder.path, "2.0", 30);
  assertEquals(await short.download(), 0);
  await short.save(10, 20, 30);
  assertEquals(shared(folder.path), ["1.0 step-40", "1.0 step-50", "2.0 step-20", "2.0 step-30"]);
  assertEquals(await (await attempt(folder.path, "3.0", 100, "webgpu")).download(), 0);
});

const DAMAGE: Record<string, (home: string) => void> = {
  "is cut short": (home) => Deno.truncateSync(join(home, "value"), 3),
  "has a flipped bit": (home) => Deno.writeTextFileSync(join(home, "value"), "8.0 at 31"),
  "lacks a file": (home) => Deno.removeSync(join(home, "deep/more")),
  "has a torn manifest": (home) => Deno.truncateSync(join(home, "manifest.json"), 20),
  "has a manifest that leads out": (home) =>
    Deno.writeTextFileSync(
      join(home, "manifest.json"),
      JSON.stringify({ format: 1, step: 30, files: [{ path: "../../x", size: 1, sha256: KEY }] }),
    ),
  "is of another step": (home) =>
    Deno.copyFileSync(join(home, "../step-20/manifest.json"), join(home, "manifest.json")),
};
for (const [name, damage] of Object.entries(DAMAGE)) {
  Deno.test(`a state that ${name} is passed over for the one before`, async () => {
    await using folder = await makeTempFolder();
    await (await attempt(folder.path, "8.0")).save(20, 30);
    damage(homeOf(folder.path, "8.0", 30));
    const next = await attempt(folder.path, "8.1");
    assertEquals([await next.download(), await next.read()], [20, "8.0 at 20"]);
  });
}

Deno.test("a state that cannot be sent is said and costs nothing else", async () => {
  await using folder = await makeTempFolder();
  const one = await attempt(folder.path, "8.0");
  Deno.mkdirSync(join(folder.path, "states/ab"), { recursive: true });
  Deno.writeTextFileSync(join(folder.path, "states/ab", KEY), "in the way");
  assertEquals(await one.save(10), 0);
  assertStringIncludes(one.states.problem!, KEY);
  Deno.removeSync(join(folder.path, "states/ab", KEY));
  assertEquals([await one.save(20), one.states.problem], [20, undefined]);
});

Deno.test("whenever states are saved while others are sent, the last is sent too", async () => {
  await using folder = await makeTempFolder();
  const one = await attempt(folder.path, "8.0");
  for (let step = 1; step <= 20; step++) {
    await one.local.save(step, { value: new Uint8Array(1) });
    // The next state arrives at the moment in which the waiter for the last one is notified.
    one.states.send(step);
    if (step % 2 === 0) await one.states.settle();
  }
  assertEquals(await one.states.settle(), 20);
});
