import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { searchesIn } from "../../../../engine/plan/searches.ts";
import { Planner } from "../../../../engine/plan/planner.ts";
import { disableFsync } from "../../../../engine/store/files.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { collectGarbage } from "../../../../engine/upkeep/gc.ts";
import { numRuns } from "../../../support/seeds.ts";
import { loadGood } from "../support/load.ts";
import { digestsOf, planIn, runIn } from "../support/reach.ts";
import { SEARCH_KINDS, searchYaml, walked } from "../support/search_kinds.ts";
import { makeTempFolder } from "../support/temp.ts";
import { timeIn } from "../../../support/clock.ts";

const kinds = SEARCH_KINDS;

/** Runs a pipeline, and counts the steps that climbs went for that. */
async function walk(folder: string, yaml: string, options: Parameters<typeof runIn>[2] = {}) {
  disableFsync(folder);
  walked.steps = 0;
  const run = await runIn(folder, yaml, { ...options, kinds });
  return { run, steps: walked.steps };
}

async function searchPlanned(folder: string, yaml: string) {
  const pipeline = await loadGood(folder, yaml, [], kinds);
  const planner = Planner.make(pipeline, openStore(join(folder, ".noiseline")));
  assert(planner.ok);
  return searchesIn(await planner.value.plan());
}

Deno.test("27 trials on rungs of 100, 300 and 900 take 6,300 steps, as the plan says, and the winner is read", async () => {
  await using folder = await makeTempFolder();
  const rungs = [{ extent: 100, stages: 27 }, { extent: 300, stages: 9 }, { extent: 900, stages: 3 }];
  const before = await searchPlanned(folder.path, searchYaml());
  assertEquals(before, [{ stage: "train", unit: "steps", toCome: 6300, rungs }]);
  const { run, steps } = await walk(folder.path, searchYaml());
  assertEquals([run.status, steps], ["done", 6300]);
  assertEquals(await searchPlanned(folder.path, searchYaml()), [{ ...before[0]!, toCome: 0 }]);
  const again = await walk(folder.path, searchYaml());
  assertEquals([again.run.runId, again.steps], [undefined, 0]);

  // The trial with the highest climb has won, by its steps and by the figures alone.
  const { stages } = run;
  const read = (id: string) => Number(Deno.readTextFileSync(join(folder.path, "outputs/p", id, "value.txt")));
  const best = Math.max(...["1", "2", "3"].map((slot) => read(`train~rung=900~slot=${slot}`)));
  assertEquals(read("train"), best);
  // A trial that was promoted is the stage that it would be by hand.
  const { pace, shoe } = stages.get("train")!.manifest!.ingredients.params;
  const hand = `name: hand
stages:
  mine: { uses: climb, with: { pace: ${pace}, shoe: ${shoe}, steps: 900 } }
  grade: { uses: grade, inputs: { climb: mine } }
  reader: { uses: mix, inputs: { from: [mine] } }
`;
  const byHand = await planIn(folder.path, hand, { kinds });
  assertEquals([...byHand.values()].map(({ state }) => state), ["restore", "restore", "restore"]);
  assertEquals(byHand.get("mine")!.keys!.resolvedKey, stages.get("train")!.manifest!.resolvedKey);
});

Deno.test("the winner and all bytes are the same for any number of jobs and any order, and after interruptions", async () => {
  const yaml = searchYaml({ trials: 9, rungs: "[100, 200]" });
  await using folder = await makeTempFolder();
  const { run } = await walk(folder.path, yaml, { jobs: 1 });
  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(fc.nat()), fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 6 }), async (
      order,
      stops,
    ) => {
      await using other = await makeTempFolder();
      disableFsync(other.path);
      const shuffle = (ids: string[]) => void ids.sort((a, b) => a === b ? 0 : order.next().value! % 3 - 1);
      let steps = 0;
      for (const events of stops) {
        const stop = new AbortController();
        let left = events;
        const emit = () => void (--left === 0 && stop.abort());
        const options = { jobs: 4, shuffle, stop: stop.signal, emit };
        steps += (await walk(other.path, yaml, options)).steps;
      }
      const last = await walk(other.path, yaml, { jobs: 4, shuffle });
      assertEquals(last.run.status, "done");
      assertEquals(digestsOf(last.run), digestsOf(run));
      // A stage that is stopped has saved where it was.
      assertEquals(steps + last.steps, 9 * 100 + 3 * 100);
    }),
    { numRuns: numRuns(2) },
  );
});

Deno.test("more trials, rungs and steps later compute what is new alone, also after gc", async () => {
  await using folder = await makeTempFolder();
  const small = { trials: 9, rungs: "[100, 300]" };
  assertEquals((await walk(folder.path, searchYaml(small))).steps, 9 * 100 + 3 * 200);
  const year = timeIn({ days: 365 });
  const collected = await collectGarbage(openStore(join(folder.path, ".noiseline")), {
    ...{ dryRun: false, keepRuns: 1, nowMs: year },
  });
  assert(collected.ok && collected.value.results.length === 0);
  assertEquals((await walk(folder.path, searchYaml(small))).run.runId, undefined);
  assertEquals((await walk(folder.path, searchYaml({ ...small, rungs: "[100, 300, 900]" }))).steps, 600);
  const more = await walk(folder.path, searchYaml({ trials: 12, rungs: "[100, 300, 900]" }));
  const ran = [...more.run.stages].filter(([, { state }]) => state === "ran").map(([id]) => id).sort();
  const of = (begin: string) => ran.filter((id) => id.startsWith(begin));
  assertEquals(of("train~trial"), ["train~trial=10", "train~trial=11", "train~trial=12"]);
  // Four of 12 go on: at least one more than before, and of those that did before none is computed again.
  const [second, third] = [of("train~rung=300").length, of("train~rung=900").length];
  assert(second >= 1 && second <= 4 && third <= 1, ran.join());
  assertEquals(more.steps, 3 * 100 + second * 200 + third * 600);
  const further = `  longer: { uses: grade, inputs: { climb: train@1000 } }\n`;
  const { steps, run } = await walk(folder.path, searchYaml({ trials: 12, rungs: "[100, 300, 900]", more: further }));
  assertEquals([steps, run.stages.get("train@1000")!.fromStep], [100, 900]);
});

Deno.test("a trial whose numbers are not finite loses, which is said, and is not tried again", async () => {
  await using folder = await makeTempFolder();
  const wild = searchYaml({ trials: 9, rungs: "[100, 200]", to: 100_000 });
  const { run } = await walk(folder.path, wild);
  assertEquals(run.status, "done");
  const notes = run.events.flatMap((event) => event.type === "stage-note" ? [`${event.id}: ${event.message}`] : []);
  const lost = notes.filter((note) => note.endsWith("no height at step 70; the trial ranks last"));
  assert(lost.length > 1);
  assertStringIncludes(notes.join("\n"), "loses: the height at step 70");
  const { pace } = run.stages.get("train")!.manifest!.ingredients.params;
  assert(Number(pace) <= 100);
  assertEquals((await walk(folder.path, wild)).run.runId, undefined);
  // By hand it fails as it always did: what the search knows of it is no result.
  const id = lost[0]!.split(":")[0]!;
  const bad = run.stages.get(id)!.manifest!.ingredients.params;
  const hand = `name: hand\nstages:\n  mine: { uses: climb, with: { pace: ${bad["pace"]}, shoe: ${bad["shoe"]}, ` +
    `steps: ${bad["steps"]} } }\n`;
  const failed = await walk(folder.path, hand);
  assertEquals([failed.run.status, failed.run.stages.get("mine")!.message], ["failed", "no height at step 70"]);
});

Deno.test("a slot for which too few trials have a finite score stays empty: nothing is computed for it", async () => {
  await using folder = await makeTempFolder();
  const before = walked.starts.length;
  const yaml = searchYaml({ trials: 9, rungs: "[100, 200]", to: 1e9 }).replace("from: 0.01", "from: 10");
  const { run } = await walk(folder.path, yaml);
  assertEquals(run.status, "done");
  const further = walked.starts.slice(before).filter((start) => start.endsWith("to 200"));
  assert(further.length < 3 && further.every((start) => Number.parseFloat(start) <= 100), further.join());
  assertEquals((await walk(folder.path, yaml)).run.runId, undefined);
});

Deno.test("a slot whose trial is not known yet waits for its ranking, and for no change of params", async () => {
  await using folder = await makeTempFolder();
  await walk(folder.path, searchYaml({ trials: 9, rungs: "[100, 200]" }));
  const planned = await planIn(folder.path, searchYaml({ trials: 12, rungs: "[100, 200]" }), { kinds });
  const { state, reasons } = planned.get("train~rung=200~slot=1")!;
  assertEquals([state, reasons], ["may-run", [{ code: "upstream", stage: "train-ranking~rung=100" }]]);
});

Deno.test("where no trial has a finite score the ranking fails, and says what to change", async () => {
  await using folder = await makeTempFolder();
  const yaml = searchYaml({ trials: 3, rungs: "[100]", to: 1e9 }).replace("from: 0.01", "from: 1e6");
  const { run } = await walk(folder.path, yaml);
  const { message } = run.stages.get("train-ranking~rung=100")!;
  assertEquals([run.status, message], ["failed", "no candidate has a finite L_simple"]);
});

Deno.test("a ranking whose bytes are damaged is made again before a slot is filled by it", async () => {
  await using folder = await makeTempFolder();
  const yaml = searchYaml({ trials: 4, rungs: "[50, 100]" });
  const { run } = await walk(folder.path, yaml);
  const [file] = run.stages.get("train-ranking~rung=50")!.manifest!.outputs["selection"]!.files;
  const store = openStore(join(folder.path, ".noiseline"));
  const path = store.objects.pathOf(file!.sha256);
  const text = Deno.readTextFileSync(path);
  Deno.chmodSync(path, 0o644);
  Deno.writeTextFileSync(path, text.replace('"candidate": ', '"candidate":9'));
  Deno.removeSync(join(folder.path, "outputs/p/train~rung=100~slot=1"), { recursive: true });
  const healed = await walk(folder.path, yaml);
  assertEquals([healed.run.status, healed.steps], ["done", 0]);
  assertEquals(digestsOf(healed.run), digestsOf(run));
});
