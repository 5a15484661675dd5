import { basename, dirname } from "node:path";
import type { Recorded } from "../support/faults/arm.ts";
import { DiskModel, SURVIVALS, type Surviving, writeSurviving } from "../support/faults/disk_model.ts";
import { FaultProject } from "../support/faults/project.ts";
import { judge, makeReference, readRecord, type Standing, standingOf } from "../support/faults/reference.ts";
import { forEachOf, seededRandom, someOf, Tally } from "../support/faults/tally.ts";
import { hasProgram, skipTestsUnless } from "../support/proc.ts";

const ignore = skipTestsUnless(
  hasProgram("setpriv"),
  "the worker's operations are recorded through setpriv, which is not here",
);

/** Number of disks that are tried for each run, unless all are. */
const TRIED = 16;

/** Returns the operations of all processes in order, each with the time that its file had afterwards. */
function stepsOf(project: FaultProject): { step: Recorded; mtimeMs: number | undefined }[] {
  const steps = readRecord(project);
  return steps.map((step, index) => ({
    step,
    mtimeMs: steps.slice(index + 1).find(({ process }) => process === step.process)?.mtimeMs,
  }));
}

/** After a power failure, all files are from before the machine was started. */
const AGE_MS = 10 * 365 * 24 * 3_600_000;

function makeOlder(project: FaultProject, name: string): void {
  if (!project.exists(name)) return;
  project.write(name, project.read(name).replaceAll(/"mtimeMs":(\d+)/g, (_, ms) => `"mtimeMs":${Number(ms) - AGE_MS}`));
}

/** A possible disk after a power failure, and the results that had been promised to be on it by then. */
interface Disk {
  readonly what: string;
  readonly state: Surviving;
  readonly promised: Standing;
}

/** Returns all different disks that a power failure in the middle of a recorded run may leave. */
function disksOf(project: FaultProject, before: FaultProject | undefined): Disk[] {
  const model = new DiskModel(project.root);
  if (before !== undefined) model.load(before.root);
  const results = project.results();
  const disks = new Map<string, Disk>();
  const renamed = new Set<string>();
  const promised: { results: Record<string, string>; steps: number[] } = before === undefined
    ? { results: {}, steps: [] }
    : { results: before.results(), steps: before.savedSteps() };
  const random = seededRandom(3);
  stepsOf(project).forEach(({ step, mtimeMs }, index) => {
    model.apply(step, mtimeMs);
    const { operation, path } = step;
    if (operation === "rename") renamed.add(path);
    if (operation === "fsync") {
      // A result or a saved state is promised once its name has been flushed.
      for (const name of renamed) {
        if (dirname(name) !== path) continue;
        renamed.delete(name);
        const key = basename(name, ".json");
        if (results[key] !== undefined) promised.results[key] = results[key];
        const saved = /\/step-(\d+)$/.exec(name);
        if (saved !== null) promised.steps.push(Number(saved[1]));
      }
    }
    for (const [what, survival] of Object.entries(SURVIVALS)) {
      const state = model.survive(survival, random);
      const text = JSON.stringify([...state].map(([name, entry]) => [
        // Names of runs and processes differ without any meaning.
        name,
        entry === "folder" ? entry : entry.bytes.toBase64(),
      ]));
      if (disks.has(text)) continue;
      const now = { results: { ...promised.results }, steps: [...promised.steps] };
      disks.set(text, { what: `after operation ${index} (${operation}): ${what}`, state, promised: now });
    }
  });
  return [...disks.values()];
}

for (
  const [name, args] of [["a first run", []], ["a run that extends and replaces", ["--set", "walk.steps=6"]]] as const
) {
  Deno.test({
    name: `run ends with the same bytes when the power went during ${name}, whatever of it reached the disk`,
    ignore,
    fn: async () => {
      await using start = new FaultProject();
      if (args.length > 0) await makeReference(start);
      await using whole = new FaultProject();
      if (args.length > 0) whole.copyFrom(start);
      const reference = await makeReference(whole, args);
      const disks = disksOf(whole, args.length > 0 ? start : undefined);
      const tally = new Tally(`power cut in ${name}`, disks.length);
      await forEachOf(someOf(disks, TRIED, 4), async ({ what, state, promised }) => {
        await using project = new FaultProject();
        for (const folder of ["outputs", ".noiseline"]) if (project.exists(folder)) project.remove(folder);
        writeSurviving(project.root, state, AGE_MS);
        makeOlder(project, ".noiseline/views/faults.jsonl");
        const there = standingOf(project);
        const before = { results: { ...there.results, ...promised.results }, steps: promised.steps };
        tally.add(what, judge(project, await project.run(args), before, reference));
      });
      tally.close();
    },
  });
}
