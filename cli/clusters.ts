import { type Cluster, listSubmissions, lookAt, QUEUE as queue, type SubmittedStage } from "noiseline/cluster";

/** Older submissions tell nothing about jobs that exist now. */
const MAX_SUBMISSIONS = 100;

/**
 * Looks at a cluster, with one question to its queue. Submissions are read lazily, newest first.
 * @param pipeline name of the pipeline whose submissions are wanted; by default, submissions of all pipelines
 */
export async function inspectCluster({ settings }: Cluster, pipeline?: string) {
  const view = await queue.poll();
  const [jobs, queueError] = "jobs" in view ? [view.jobs, undefined] : [[], view.silent];
  const submissions = () =>
    listSubmissions(settings.cache).filter(({ head }) => head.pipeline.name === (pipeline ?? head.pipeline.name));
  const stages = () => submissions().take(MAX_SUBMISSIONS).flatMap((one) => lookAt(one, jobs));
  const unknown = `what waits or runs is unknown, as the queue does not answer: ${queueError}`;
  return { queue, jobs, queueError, notices: queueError === undefined ? [] : [unknown], submissions, stages };
}

/** Returns the state of a submitted stage in one word, and a note with details. */
export function describeSubmitted(
  { job, end }: Pick<SubmittedStage, "job" | "end">,
  queueError: string | undefined,
): [state: string, note: string] {
  // A job that saved its state to be queued again may have been cancelled since.
  const finalEnd = job === undefined || end?.state !== "again" ? end : undefined;
  const { id, node, state } = finalEnd === undefined ? job ?? {} : { ...finalEnd, id: finalEnd.job };
  if (state === undefined) return [queueError === undefined ? "not queued" : "unknown", ""];
  const held = job?.release === undefined ? "" : `; \`${job.release} ${id}\` lets it go`;
  const why = finalEnd === undefined
    ? state === "waiting" ? `${job!.reason}${held}` : ""
    : finalEnd.message?.split("\n")[0] ?? "";
  const steps = typeof finalEnd?.toStep === "number" ? `, step ${finalEnd.fromStep ?? 0} to ${finalEnd.toStep}` : "";
  return [state, `job ${id}${node ? ` on ${node}` : ""}${steps}${why === "" ? "" : `: ${why}`}`];
}
