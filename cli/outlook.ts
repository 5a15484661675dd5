import type { Diagnostic, Outlook, Pipeline } from "noiseline/core";
import { formatDuration } from "./format/units.ts";
import { askYes, canAsk, printError } from "./io.ts";

const MAX_NAMED = 5;

/** What whoever starts a run should know of its length, and that it takes more than a day, with what to do instead. */
export function describeOutlook(
  { withoutCard, long, cardFix }: Outlook,
  { profiles, knownProfiles }: Pipeline,
): { readonly notes: string[]; readonly problems: Diagnostic[] } {
  const names = withoutCard?.stages.slice(0, MAX_NAMED).map(({ id }) => id).join(", ");
  const notes = withoutCard === undefined
    ? []
    : [`without the GPU that they ask for, ${names} take about ${formatDuration(withoutCard.totalMs)} here`];
  if (long === undefined) return { notes, problems: [] };
  const parts = long.stages.slice(0, MAX_NAMED).map(({ id, durationMs }) => `${id} ${formatDuration(durationMs)}`);
  const others = knownProfiles.filter((name) => !profiles.includes(name)).map((name) => `--profile ${name}`);
  const ways = [
    others.length > 0 ? `make it smaller with ${others.join(" or ")}` : "",
    cardFix === undefined ? "" : `use the GPU: ${cardFix}`,
    "start it anyway with --yes",
  ];
  const message = `this run takes at least about ${formatDuration(long.totalMs)} on this machine (${parts.join(", ")})`;
  return { notes, problems: [{ severity: "error", code: "check", message, fix: ways.filter(Boolean).join("; or ") }] };
}

/** Ask whether a run that takes more than a day is meant. @returns why it may not start */
export async function agreeTo(
  outlook: Outlook,
  pipeline: Pipeline,
  { json, say, stop }: { readonly json: boolean; readonly say: (message: string) => void; readonly stop: AbortSignal },
): Promise<readonly Diagnostic[]> {
  const { notes, problems: [problem] } = describeOutlook(outlook, pipeline);
  notes.forEach(say);
  if (problem === undefined) return [];
  if (json || !canAsk()) return [problem];
  printError(`${problem.message}\n${problem.fix}`);
  return await askYes("Start it anyway?", stop) ? [] : [problem];
}
