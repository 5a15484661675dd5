import type { Diagnostic, Outlook, Pipeline } from "noiseline/core";
import { formatDuration, someOf } from "./format/units.ts";
import { askYes, canAsk, printError, problem } from "./io.ts";

/** What whoever starts a run should know of its length, and that it takes more than a day, with what to do instead. */
export function describeOutlook(
  { withoutCard, long, cardFix }: Outlook,
  { profiles, knownProfiles }: Pipeline,
): { readonly notes: string[]; readonly question?: Diagnostic } {
  const notes: string[] = [];
  if (withoutCard !== undefined) {
    const names = someOf(withoutCard.stages.map(({ id }) => id));
    notes.push(`without the GPU that they ask for, ${names} take about ${formatDuration(withoutCard.totalMs)} here`);
  }
  if (long === undefined) return { notes };
  const parts = someOf(long.stages.map(({ id, durationMs }) => `${id} ${formatDuration(durationMs)}`));
  const others = knownProfiles.filter((name) => !profiles.includes(name)).map((name) => `--profile ${name}`);
  const ways = [
    others.length > 0 ? `make it smaller with ${others.join(" or ")}` : "",
    cardFix === undefined ? "" : `use the GPU: ${cardFix}`,
    "start it anyway with --yes",
  ];
  const message = `this run takes at least about ${formatDuration(long.totalMs)} on this machine (${parts})`;
  return { notes, question: problem(message, ways.filter(Boolean).join("; or ")) };
}

/** Ask whether a run that takes more than a day is meant. @returns why it may not start */
export async function agreeTo(
  outlook: Outlook,
  pipeline: Pipeline,
  { json, say, stop }: { readonly json: boolean; readonly say: (message: string) => void; readonly stop: AbortSignal },
): Promise<readonly Diagnostic[]> {
  const { notes, question } = describeOutlook(outlook, pipeline);
  notes.forEach(say);
  if (question === undefined) return [];
  if (json || !canAsk()) return [question];
  printError(`${question.message}\n${question.fix}`);
  return await askYes("Start it anyway?", stop) ? [] : [question];
}
