import { type Diagnostic, findGpus, type LongWork, type Outlook, type Pipeline } from "noiseline";
import { askYes, canAsk } from "./ask.ts";
import { formatDuration } from "./format/duration.ts";
import { printError } from "./io.ts";

const MAX_NAMED = 5;

/** Ask whether a run that takes more than a day is meant, or say that it needs a yes. */
export function agreeFor(
  pipeline: Pipeline,
  { json, say, stop }: {
    readonly json: boolean;
    readonly say: (message: string) => void;
    readonly stop: AbortSignal;
  },
): (outlook: Outlook) => Promise<readonly Diagnostic[]> {
  return async ({ cardless, long }) => {
    if (cardless !== undefined) say(describeCardless(cardless));
    if (long === undefined) return [];
    const problem = longProblem(long, pipeline);
    if (json || !canAsk()) return [problem];
    printError(`${problem.message}\n${problem.fix}`);
    return await askYes("Start it all the same?", stop) ? [] : [problem];
  };
}

/** What `plan` says of it, a line each. */
export function describeOutlook({ cardless, long }: Outlook, pipeline: Pipeline): string[] {
  const problem = long === undefined ? [] : [longProblem(long, pipeline)];
  return [
    ...(cardless === undefined ? [] : [describeCardless(cardless)]),
    ...problem.map(({ message, fix }) => `run will ask: ${message}; ${fix}`),
  ];
}

function describeCardless({ totalMs, stages }: LongWork): string {
  const names = stages.slice(0, MAX_NAMED).map(({ id }) => id).join(", ");
  return `without the graphics card that they want, ${names} take about ${formatDuration(totalMs)} here`;
}

function longProblem({ totalMs, stages }: LongWork, { profiles, knownProfiles }: Pipeline): Diagnostic {
  const parts = stages.slice(0, MAX_NAMED).map(({ id, durationMs }) => `${id} ${formatDuration(durationMs)}`).join(
    ", ",
  );
  const others = knownProfiles.filter((name) => !profiles.includes(name)).map((name) => `--profile ${name}`);
  const ways = [
    ...(others.length > 0 ? [`make it smaller with ${others.join(" or ")}`] : []),
    ...(findGpus().length > 0 ? ["set up the graphics card with deno task setup:tensorflow --gpu"] : []),
    "start it all the same with --yes",
  ];
  return {
    severity: "error",
    code: "check",
    message: `this run takes at least about ${formatDuration(totalMs)} on this machine (${parts})`,
    wanted: "at most 24h, or a yes",
    fix: ways.join("; or "),
  };
}
