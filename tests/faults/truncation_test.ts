import { RunReader } from "../../engine/live/run_reader.ts";
import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { newestSavedStep, ProgressStore } from "../../engine/store/progress.ts";
import { runHere } from "../support/faults/here.ts";
import { FaultProject } from "../support/faults/project.ts";
import type { Verdict } from "../support/faults/reference.ts";
import { ALL, forEachOf, seededRandom, someOf, Tally } from "../support/faults/tally.ts";

/** Lengths of each file that are tried, unless all are. */
const TRIED = 100;

const TWO_STAGES = `name: faults
stages:
  first: { uses: join, with: { text: first, file: data.txt } }
  second: { uses: join, inputs: { from: [first] }, with: { text: second } }
`;

/** Files of the store, each cut to every length: their pattern, and true if a stage may have to run again. */
const FILES: Readonly<Record<string, { readonly pattern: RegExp; readonly alone?: true }>> = {
  "the manifest of a result": { pattern: /^results\/.*\.json$/ },
  // If the index is gone too, nothing else knows of the result.
  "the manifest of a result, without an index": { pattern: /^results\/.*\.json$/, alone: true },
  "the index": { pattern: /^index\.jsonl$/ },
  "the record of views": { pattern: /^views\/.*\.jsonl$/ },
  timings: { pattern: /^timings\.jsonl$/ },
  "remembered digests": { pattern: /^cache\/digests\.jsonl$/ },
  "the record of a run": { pattern: /^runs\/[^/]+\/(run\.json|stages\.jsonl)$/ },
  "a lock file": { pattern: /^locks\// },
};

/** Makes a finished store with a file of each kind. */
async function finished(): Promise<FaultProject> {
  const project = new FaultProject({ "faults.yaml": TWO_STAGES }, "memory");
  await runHere(project);
  // A digest is remembered only if its file was not changed for two seconds.
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  await runHere(project);
  return project;
}

for (const [what, { pattern, alone }] of Object.entries(FILES)) {
  Deno.test(`run gives the same results when ${what} was cut to any length`, async () => {
    await using project = await finished();
    const { digests } = await runHere(project);
    const view = project.view();
    const names = project.files(".noiseline").filter((name) => pattern.test(name)).map((name) => `.noiseline/${name}`);
    const lengths = names.flatMap((name) =>
      Array.from({ length: Deno.statSync(project.path(name)).size }, (_, length) => ({ name, length }))
    );
    const tally = new Tally(`truncation of ${what}`, lengths.length);
    for (const { name, length } of someOf(lengths, TRIED, 6)) {
      const path = project.path(name);
      const whole = Deno.readFileSync(path);
      Deno.writeFileSync(path, whole.subarray(0, length));
      if (alone) project.remove(".noiseline/index.jsonl");
      const verdict: Verdict = { lost: [], wrong: [] };
      try {
        const again = await runHere(project);
        const ran = Object.values(again.ended).filter((state) => state === "ran").length;
        // A cut manifest that only lacks its final line break is still complete.
        if (ran > (alone ? 1 : 0)) verdict.lost.push(`${ran} stages ran again`);
        assertEquals(again.digests, digests);
        assertEquals(project.view(), view);
        // Readers of files that a run does not need must accept the cut file too.
        new RunReader(again.store).readRuns();
        again.store.timings.all();
      } catch (error) {
        verdict.wrong.push((error as Error).message);
      }
      tally.add(`${name} at ${length}`, verdict);
      Deno.writeFileSync(path, whole);
    }
    tally.close();
  });
}

const stateOf = (step: number) => ({
  "deep/hashes": new TextEncoder().encode(`state of ${step}`),
  last: new Uint8Array(8),
});

Deno.test("a saved state is not used, and the one before it is, when a file of it was cut to any length", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "noiseline-test-" });
  for (const step of [2, 4]) await new ProgressStore(folder, 9).save(step, stateOf(step));
  const paths = ["manifest.json", "deep/hashes", "last"].map((name) => join(folder, "step-4", name));
  const sizes = paths.map((path) => Deno.statSync(path).size);
  const tally = new Tally("truncation of a saved state", sizes.reduce((sum, size) => sum + size));
  for (const [index, path] of paths.entries()) {
    const whole = Deno.readFileSync(path);
    for (let length = 0; length < whole.length; length++) {
      Deno.writeFileSync(path, whole.subarray(0, length));
      const damaged: number[] = [];
      const saved = await new ProgressStore(folder, 9, undefined, (step) => damaged.push(step)).latest();
      const verdict: Verdict = { lost: [], wrong: [] };
      // Without its final line break, a manifest has the same content.
      const wanted = index === 0 && length === whole.length - 1 ? 4 : 2;
      if (saved?.step !== wanted || newestSavedStep(folder, 9) !== wanted) verdict.lost.push(`step ${saved?.step}`);
      const text = new TextDecoder().decode(await saved?.read("deep/hashes"));
      if (text !== `state of ${wanted}`) verdict.wrong.push(text);
      if (wanted === 2) assertEquals(damaged, [4]);
      tally.add(`${path} at ${length}`, verdict);
    }
    Deno.writeFileSync(path, whole);
  }
  tally.close();
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("the command line gives the same results when any file of the store was cut somewhere", async () => {
  await using project = await finished();
  const { digests } = await runHere(project);
  // A run of the command line also writes the page.
  await project.run();
  const view = project.view();
  const names = project.files(".noiseline").filter((name) => !/^(objects|tmp|progress)\//.test(name));
  const random = seededRandom(5);
  const tally = new Tally("truncation, by whole processes", names.length);
  const cuts = Array.from({ length: ALL ? 60 : 8 }, () => names[Math.floor(random() * names.length)]!);
  await forEachOf(cuts, async (name) => {
    const path = project.path(".noiseline", name);
    const whole = Deno.readFileSync(path);
    const length = Math.floor(random() * whole.length);
    Deno.writeFileSync(path, whole.subarray(0, length));
    const verdict: Verdict = { lost: [], wrong: [] };
    const { code, stdout, stderr, events } = await project.run();
    if (code !== 0) verdict.wrong.push(stdout + stderr);
    for (const { type, id, state } of events) {
      if (type === "stage-finished" && state === "ran") verdict.lost.push(`${id} ran again`);
    }
    assertEquals((await runHere(project)).digests, digests);
    assertEquals(project.view(), view);
    tally.add(`${name} at ${length}`, verdict);
    Deno.writeFileSync(path, whole);
  }, 1);
  tally.close();
});
