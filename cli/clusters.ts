import type { Cluster, OpenSubmission, Queue, QueuedJob, SubmittedStage } from "noiseline/engine";
import { importLate } from "noiseline/core";

/** A cluster as it is now, for commands that look. */
interface Glance {
  readonly queue: Queue;
  /** Jobs of this user; none where the queue does not answer. */
  readonly jobs: readonly QueuedJob[];
  /** Why the queue does not answer, as on a machine without its commands. */
  readonly silent: string | undefined;
  /** Newest first. */
  readonly submissions: readonly OpenSubmission[];
}

/** Older submissions say nothing of what is on now. */
const MAX_SUBMISSIONS = 100;

/** Look at a cluster, with one question to its queue. @param pipeline whose submissions are meant; all where it is left out */
export async function lookOn(
  { settings }: Cluster,
  pipeline?: string,
  most: number = MAX_SUBMISSIONS,
): Promise<Glance> {
  const { listSubmissions, SlurmQueue } = await importLate<typeof import("noiseline/engine")>("noiseline/engine");
  const queue: Queue = new SlurmQueue();
  const view = await queue.poll();
  const [jobs, silent] = "jobs" in view ? [view.jobs, undefined] : [[], view.silent];
  const own = listSubmissions(settings.cache).filter(({ head }) =>
    head.pipeline.name === (pipeline ?? head.pipeline.name)
  );
  return { queue, jobs, silent, submissions: own.take(most).toArray() };
}

/** How a stage that was submitted stands, in a word and with what else is to be said. */
export function describeSubmitted(
  { job, end }: SubmittedStage,
  silent: string | undefined,
): [state: string, note: string] {
  if (end !== undefined) {
    return [end.state, [`job ${end.job} on ${end.node}`, end.message?.split("\n")[0]].filter(Boolean).join(": ")];
  }
  if (job === undefined) return [silent === undefined ? "not queued" : "unknown", ""];
  const where = `job ${job.id}${job.node === "" ? "" : ` on ${job.node}`}`;
  return [job.state, job.reason === "" ? where : `${where}: ${job.reason}`];
}

/** What is said where the queue did not answer. */
export function describeSilence(silent: string | undefined): string[] {
  return silent === undefined ? [] : [`the queue does not answer, so what waits or runs is unknown: ${silent}`];
}
