import type { Json, Outcome } from "../cli_process.ts";
import type { Recorded } from "./arm.ts";
import type { FaultProject } from "./project.ts";

/** The results of an undisturbed run, and its arguments. */
export interface Reference {
  readonly args: readonly string[];
  readonly view: Readonly<Record<string, string>>;
  readonly results: Readonly<Record<string, string>>;
  /** Resolved key by stage, for the stages that the arguments declare. */
  readonly keys: Readonly<Record<string, string>>;
}

const RECORD = "bin/record.jsonl";

/**
 * Returns the operations of all processes of the undisturbed run, in order. Half a line is left out: its process (one
 * that had described a stage, say) was killed before it did the operation.
 */
export function readRecord(project: FaultProject): Recorded[] {
  return project.read(RECORD).split("\n").filter((line) => line.endsWith("}")).map((line) => JSON.parse(line));
}

/** Runs undisturbed, and counts operations. */
export async function makeReference(project: FaultProject, args: readonly string[] = []): Promise<Reference> {
  const log = project.path(RECORD);
  const outcome = await project.run(args, { run: { act: "record", log }, worker: { act: "record", log } });
  if (outcome.code !== 0) throw new Error(`the undisturbed run failed:\n${outcome.stdout}${outcome.stderr}`);
  const { stages } = outcome.events.find(({ type }) => type === "run-started");
  const { runId } = outcome.events.at(-1);
  const record = JSON.parse(project.read(`.noiseline/runs/${runId}/run.json`));
  const keys = Object.fromEntries(
    stages.map(({ id, resolvedKey }: Json) => [id, record.stages[id]?.resolvedKey ?? resolvedKey]),
  );
  return { args, view: project.view(), results: project.results(), keys };
}

/** The state before a command is run again. */
export interface Standing {
  readonly results: Readonly<Record<string, string>>;
  readonly steps: readonly number[];
}

export function standingOf(project: FaultProject): Standing {
  return { results: project.results(), steps: project.savedSteps() };
}

/** The outcome of a fault. Both lists must be empty. */
export interface Verdict {
  /** Finished work that was done again. */
  readonly lost: string[];
  /** Bytes, digests or leftovers that should not exist, and commands that did not succeed. */
  readonly wrong: string[];
}

/**
 * Compares the same command, repeated after a fault, with an undisturbed run.
 * @param before state that the fault left; its results and saved states must not be made again
 */
export function judge(project: FaultProject, again: Outcome, before: Standing, reference: Reference): Verdict {
  const lost: string[] = [];
  const wrong: string[] = [];
  if (again.code !== 0) {
    wrong.push(`the command failed when run again: ${again.code}\n${again.stdout}${again.stderr}`);
    return { lost, wrong };
  }
  for (const { type, id, state } of again.events) {
    if (type === "stage-finished" && state === "ran" && reference.keys[id]! in before.results) {
      lost.push(`${id} was finished and ran again`);
    }
  }
  const start = again.events.find(({ type, id }) => type === "stage-started" && id === "walk");
  const newest = before.steps.at(-1) ?? 0;
  if (start !== undefined && (start.fromStep ?? 0) < newest) {
    lost.push(`walk had saved step ${newest} and started from ${start.fromStep ?? 0}`);
  }
  // A run that finds everything up to date writes nothing; the next run that works removes leftovers.
  const worked = again.events.some(({ type }) => type === "run-started");
  const view = Object.entries(project.view()).filter(([name]) => worked || !/^faults\/\.(new|old)-/.test(name));
  compare(wrong, "output", Object.fromEntries(view), reference.view);
  compare(wrong, "result", project.results(), reference.results);
  wrong.push(...project.wrongObjects().map((name) => `object ${name} is not what its name says`));
  if (worked) wrong.push(...project.list(".noiseline/tmp").map((name) => `${name} is left in tmp`));
  return { lost, wrong };
}

type Digests = Readonly<Record<string, string>>;

function compare(wrong: string[], what: string, got: Digests, wanted: Digests): void {
  for (const name of new Set([...Object.keys(got), ...Object.keys(wanted)])) {
    if (got[name] !== wanted[name]) {
      wrong.push(`${what} ${name}: ${got[name] ?? "none"}, not ${wanted[name] ?? "none"}`);
    }
  }
}
