import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { collectGarbage } from "../../engine/upkeep/gc.ts";
import { verifyStore } from "../../engine/upkeep/verify.ts";
import { setOperationHook } from "../support/operations.ts";
import { openStore } from "../../engine/store/store.ts";
import { finalDigests } from "../support/check_plan.ts";
import { Project } from "../support/project.ts";
import { digestsOf, endStates, runIn } from "../unit/engine/support/reach.ts";
import { makeTempFolder } from "../unit/engine/support/temp.ts";
import { timeIn } from "../support/clock.ts";

const HUNGRY = ["gc", "p.yaml", "--older-than", "0", "--max-size", "0", "--keep-runs", "0", "--yes", "--json"];

Deno.test("gc beside a live run keeps what it uses, and afterwards what its unfinished stage needs", async () => {
  await using project = new Project({ stages: ["cook", "walk"] });
  project.write(
    "p.yaml",
    `name: demo
stages:
  walk: { uses: ./walk.ts, with: { steps: 6, holdAt: 3 } }
  a: { uses: ./cook.ts, with: { text: a } }
  late: { uses: ./cook.ts, inputs: { from: [a] } }
`,
  );
  const other = await project.cli(["run", "p.yaml", "a", "--set", "a.text=other"]);
  assertEquals(other.code, 0, other.stderr);
  assertEquals((await project.cli(["run", "p.yaml", "a"])).code, 0);
  // No outputs folder keeps any result now.
  project.remove("outputs");
  {
    await using running = project.start(["run", "p.yaml", "--jobs", "1", "--json"]);
    await running.event(({ type, step }) => type === "stage-saved" && step === 3);
    const during = await project.cli(HUNGRY);
    assertEquals(during.code, 0, during.stdout + during.stderr);
    assertEquals(during.json.results.map(({ name }: { name: string }) => name), ["demo/a"]);
    assertEquals(during.json.kept["live run"], 1);
    assertEquals(during.json.compactedBytes, undefined);
    running.signal("SIGKILL");
    assertEquals((await running.outcome()).signal, "SIGKILL");
  }
  // The run is dead and its outputs are gone, but its walk can be resumed, and the input that the walk would read
  // exists.
  project.remove("outputs");
  const after = await project.cli(HUNGRY.with(3, "1h"));
  assertEquals([after.code, after.json.results], [0, []]);
  assertEquals(after.json.kept, { "unfinished stage": 1 });
  const resumed = await project.cli(["run", "p.yaml", "--set", "walk.holdAt=0", "--json"]);
  assertEquals(resumed.code, 0, resumed.stderr);
  const started = resumed.events.find(({ type, id }) => type === "stage-started" && id === "walk");
  assertEquals([started.state, started.fromStep], ["resume", 3]);
  const ended = Object.fromEntries(
    resumed.events.filter(({ type }) => type === "stage-finished").map(({ id, state }) => [id, state]),
  );
  assertEquals(ended, { walk: "ran", a: "restored", late: "ran" });
});

Deno.test("runs and gc at the same time: every run succeeds, and the results are those of a quiet store", async () => {
  const pipeline = (text: string) =>
    `name: demo
stages:
  a: { uses: ./cook.ts, with: { text: ${text} } }
  b: { uses: ./cook.ts, inputs: { from: [a] } }
  c: { uses: schedule, with: { betas: sigmoid, timesteps: 100 } }
`;
  await using quiet = new Project({ stages: ["cook"] });
  await using busy = new Project({ stages: ["cook"] });
  const texts = ["x", "y", "z"];
  const wanted: Record<string, unknown> = {};
  for (const text of texts) {
    for (const project of [quiet, busy]) {
      project.write("p.yaml", pipeline(text)), project.write(`${text}.yaml`, pipeline(text));
    }
    assertEquals((await quiet.cli(["run", `${text}.yaml`])).code, 0);
    wanted[text] = await finalDigests(quiet, [`${text}.yaml`]);
  }
  let running = true;
  let removed = 0;
  const cleaning = (async () => {
    while (running) {
      const { code, stdout, stderr, json } = await busy.cli(HUNGRY);
      assertEquals(code, 0, stdout + stderr);
      removed += json.results.length;
    }
  })();
  for (let round = 0; round < 6; round++) {
    const text = texts[round % texts.length]!;
    const { code, stdout, stderr } = await busy.cli(["run", `${text}.yaml`, "--json"]);
    assertEquals(code, 0, stdout + stderr);
    assertEquals(busy.read("outputs/demo/b/text.txt"), ` 1 0\n${text} 1 0\n\n`);
  }
  running = false;
  await cleaning;
  // If nothing was removed, the test would prove nothing.
  assert(removed >= 3, `${removed} results were removed`);
  assertEquals((await busy.cli(["run", "x.yaml"])).code, 0);
  assertEquals(await finalDigests(busy, ["x.yaml"]), wanted["x"]);
  const verified = await busy.cli(["verify", "--json"]);
  assertEquals([verified.code, verified.json.faults], [0, []]);
});

const TINY = `name: p
stages:
  a: { uses: source, with: { text: one } }
  b: { uses: mix, inputs: { one: a } }
  walk: { uses: walk, inputs: { from: a }, with: { steps: 3 } }
`;

class Killed extends Error {}

/** Makes a store with garbage of every kind. */
async function makeGarbage(folder: string): Promise<void> {
  await runIn(folder, TINY);
  await runIn(folder, TINY.replace("one }", "two }"));
  Deno.removeSync(join(folder, "outputs"), { recursive: true });
}

Deno.test("gc that dies at any of its operations leaves a store without a result whose objects are gone", async () => {
  const nowMs = timeIn({ days: 365 });
  const policy = { dryRun: false, olderThanMs: 0, keepRuns: 1, nowMs };
  await using straight = await makeTempFolder();
  const digests = digestsOf(await runIn(straight.path, TINY));
  let points = 0;
  for (let k = 0;; k++) {
    await using folder = await makeTempFolder();
    await makeGarbage(folder.path);
    let operations = 0;
    setOperationHook(() => {
      if (operations++ === k) throw new Killed();
    });
    let died = false;
    try {
      await collectGarbage(openStore(join(folder.path, ".noiseline")), policy);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      died = true;
    } finally {
      setOperationHook(undefined);
    }
    const store = openStore(join(folder.path, ".noiseline"));
    assertEquals((await verifyStore(store)).faults, [], `died at operation ${k}`);
    const run = await runIn(folder.path, TINY);
    assertEquals(run.status, "done");
    assertEquals(digestsOf(run), digests, `died at operation ${k}`);
    const again = await collectGarbage(openStore(store.root), policy);
    assert(again.ok && again.value.failed.length === 0);
    assertEquals(endStates(await runIn(folder.path, TINY)), "a: cached, b: cached, walk: cached");
    if (!died) break;
    points++;
  }
  assert(points > 10, `${points} operations`);
});
