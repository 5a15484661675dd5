import type { Recorded } from "./arm.ts";
import { FaultProject } from "./project.ts";
import { makeReference, readRecord, type Reference } from "./reference.ts";

interface Sort {
  readonly args?: readonly string[];
  /** Start from the store of a finished, shorter run. */
  readonly finished?: boolean;
  readonly files?: Readonly<Record<string, string>>;
  /** Which operations to strike; all where it is not said. */
  readonly strikes?: (path: string) => boolean;
}

const SCENARIOS: Readonly<Record<string, Sort>> = {
  "a first run": {},
  "a run that extends and replaces": { args: ["--set", "walk.steps=6"], finished: true },
  // Its operations on the store are those of the others; what is its own is the question what kind of stage it is.
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

/** A run to strike, and what comes of it when nothing strikes. */
export interface Scenario extends AsyncDisposable {
  readonly args: readonly string[];
  readonly reference: Reference;
  readonly points: readonly Point[];
  /** A folder of its own for each try. */
  begin(): FaultProject;
}

/** Operations are counted in each process by itself, since the order between processes is nobody's. */
function pointsOf(record: readonly Recorded[], strikes: (path: string) => boolean): Point[] {
  const counts = { run: 0, worker: 0 };
  return record.flatMap(({ process, path }): Point[] => {
    // Written of files that are two seconds old, so that a slow run has more such operations than a fast one.
    if (path.endsWith("/digests.jsonl")) return [];
    const name = process === record[0]!.process ? "run" : "worker";
    const at = counts[name]++;
    return strikes(path) ? [{ process: name, at }] : [];
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
