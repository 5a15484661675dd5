import { type Cluster, listSubmissions, lookAt, type Queue, SlurmQueue, type SubmittedStage } from "noiseline/engine";

/** Older submissions say nothing of what is on now. */
const MAX_SUBMISSIONS = 100;

/**
 * Look at a cluster, with one question to its queue. Submissions are read as they are asked for, newest first.
 * @param pipeline whose submissions are meant; all where it is left out
 */
export async function lookOn({ settings }: Cluster, pipeline?: string) {
  const queue: Queue = new SlurmQueue();
  const view = await queue.poll();
  const [jobs, silent] = "jobs" in view ? [view.jobs, undefined] : [[], view.silent];
  const submissions = () =>
    listSubmissions(settings.cache).filter(({ head }) => head.pipeline.name === (pipeline ?? head.pipeline.name));
  const stages = () => submissions().take(MAX_SUBMISSIONS).flatMap((one) => lookAt(one, jobs));
  const asides = silent === undefined ? [] : [`what waits or runs is unknown, as the queue does not answer: ${silent}`];
  return { queue, jobs, silent, asides, submissions, stages };
}

/** How a stage that was submitted stands, in a word and with what else is to be said. */
export function describeSubmitted(
  { job, end }: Pick<SubmittedStage, "job" | "end">,
  silent: string | undefined,
): [state: string, note: string] {
  // What was saved to be queued again may have been cancelled since.
  const told = job === undefined || end?.state !== "again" ? end : undefined;
  const { id, node, state } = told === undefined ? job ?? {} : { ...told, id: told.job };
  if (state === undefined) return [silent === undefined ? "not queued" : "unknown", ""];
  const held = job?.release === undefined ? "" : `; \`${job.release} ${id}\` lets it go`;
  const why = told === undefined
    ? state === "waiting" ? `${job!.reason}${held}` : ""
    : told.message?.split("\n")[0] ?? "";
  const steps = typeof told?.toStep === "number" ? `, step ${told.fromStep ?? 0} to ${told.toStep}` : "";
  return [state, `job ${id}${node ? ` on ${node}` : ""}${steps}${why === "" ? "" : `: ${why}`}`];
}
