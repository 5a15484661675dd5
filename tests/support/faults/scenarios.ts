import type { Recorded } from "./arm.ts";
import { FaultProject } from "./project.ts";
import { makeReference, readRecord, type Reference } from "./reference.ts";

interface Sort {
  readonly args?: readonly string[];
  /** True to start from the store of a finished, shorter run. */
  readonly finished?: boolean;
  readonly files?: Readonly<Record<string, string>>;
  /** Returns true for paths whose operations should get a fault; by default all. */
  readonly strikes?: (path: string) => boolean;
}

const SCENARIOS: Readonly<Record<string, Sort>> = {
  "a first run": {},
  "a run that extends and replaces": { args: ["--set", "walk.steps=6"], finished: true },
  // This scenario's operations on the store are those of the others; its own operations ask the stage file to describe
  // itself.
  "the description of a custom stage": {
    files: {
      "faults.yaml": "name: faults\nstages:\n  first: { uses: ./cook.ts, with: { text: first } }\n",
      "cook.ts": Deno.readTextFileSync(new URL("../stages/cook.ts", import.meta.url)),
    },
    strikes: (path) => path.includes("/temp/"),
  },
};

export const SCENARIO_NAMES: readonly string[] = Object.keys(SCENARIOS);

/** One operation of one of the processes of a run. */
export interface Point {
  readonly process: "run" | "worker";
  readonly at: number;
}

/** A run to disturb, and its outcome when undisturbed. */
export interface Scenario extends AsyncDisposable {
  readonly args: readonly string[];
  readonly reference: Reference;
  readonly points: readonly Point[];
  /** Returns a separate folder for each try. */
  begin(): FaultProject;
}

/**
 * Operations that a slow run does more often than a fast one, or less often: digests are recorded for files that are at
 * least two seconds old, a log gets what came since its last append, and a lock that another process holds is tried
 * again. They are not counted, or the last points of a run would lie beyond the end of the next run.
 */
function varies({ operation, path }: Recorded, locked: Set<string>): boolean {
  const isAgain = operation === "lock" && locked.has(path);
  if (operation === "lock") locked.add(path);
  return isAgain || path.endsWith("/digests.jsonl") || path.includes("/logs/");
}

/** Operations are counted separately in each process, because the order between processes is undefined. */
function pointsOf(record: readonly Recorded[], strikes: (path: string) => boolean): Point[] {
  const counts = { run: 0, worker: 0 };
  const locked = new Set<string>();
  return record.flatMap((one): Point[] => {
    if (varies(one, locked)) return [];
    const name = one.process === record[0]!.process ? "run" : "worker";
    const at = counts[name]++;
    return strikes(one.path) ? [{ process: name, at }] : [];
  });
}

export async function makeScenario(name: string): Promise<Scenario> {
  const { args = [], finished = false, files, strikes = () => true } = SCENARIOS[name]!;
  const start = new FaultProject(files);
  if (finished) await makeReference(start);
  const begin = () => {
    const project = new FaultProject(files);
    if (finished) project.copyFrom(start);
    return project;
  };
  await using whole = begin();
  const reference = await makeReference(whole, args);
  return {
    args,
    reference,
    points: pointsOf(readRecord(whole), strikes),
    begin,
    [Symbol.asyncDispose]: () => start[Symbol.asyncDispose](),
  };
}
