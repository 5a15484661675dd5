import { join } from "node:path";
import type { JobEnd } from "../../schemas/cluster_records.ts";
import { findRuns, type LiveStage } from "../store/live_runs.ts";
import { entriesOf } from "../store/reading.ts";
import { RunStore } from "../store/runs.ts";
import type { QueuedJob } from "./queue.ts";
import { isLive, lineOfJob, listEnds, parseComment } from "./queue_parts.ts";
import { clusterFolder, type OpenSubmission, openSubmission } from "./submission.ts";

/** What is known of a stage that was submitted to be computed. */
export interface SubmittedStage {
  readonly id: string;
  readonly recipeKey: string;
  readonly submission: OpenSubmission;
  readonly line: number;
  /** The job that the queue has of it, rather one that has not ended. */
  readonly job: QueuedJob | undefined;
  /** How its newest attempt ended, if that is known to have ended. */
  readonly end: JobEnd | undefined;
}

/** Submissions in a shared cache, newest first. What cannot be read is left out. */
export function* listSubmissions(cache: string): Generator<OpenSubmission> {
  const folder = clusterFolder(cache, "submissions");
  for (const name of entriesOf(folder).map((entry) => entry.name).sort().reverse()) {
    const opened = openSubmission(join(folder, name));
    if (opened.ok) yield opened.value;
  }
}

/** Records of the attempts at a stage. */
export function attemptsOf({ submission, line }: Pick<SubmittedStage, "submission" | "line">): RunStore {
  return new RunStore(submission.runsOf(line));
}

/** How far a stage is that runs. A process that was killed on another host says nothing of that: the queue must say that it runs. */
export function liveOf(stage: SubmittedStage): LiveStage | undefined {
  const { name } = stage.submission.head.pipeline;
  return stage.job?.state === "running" ? findRuns({ runs: attemptsOf(stage) }, name).stages.get(stage.id) : undefined;
}

/** Jobs of a submission that submit others; where it has ended or none is needed, there are none. */
export function helpersOf({ head }: OpenSubmission, jobs: readonly QueuedJob[]): QueuedJob[] {
  return jobs.filter((job) => {
    const comment = parseComment(job.comment);
    return isLive(job) && comment?.submission === head.id && !(Number(comment.what) < head.parts.length);
  });
}

/** How the stages of a submission stand. @param jobs that the queue has; none where it does not answer */
export function lookAt(submission: OpenSubmission, jobs: readonly QueuedJob[]): SubmittedStage[] {
  const { id: own, parts, stages } = submission.head;
  const byLine = new Map<number, QueuedJob>();
  for (const job of jobs) {
    const comment = parseComment(job.comment);
    const part = comment?.submission === own ? parts[Number(comment.what)] : undefined;
    const line = part && lineOfJob(part, job.id);
    const known = line === undefined ? undefined : byLine.get(line);
    if (line !== undefined && (known === undefined || isLive(job))) byLine.set(line, job);
  }
  // Jobs and attempts are counted up.
  const order = ({ job, attempt }: { readonly job: string; readonly attempt: number }) => parseInt(job) * 1e6 + attempt;
  const ends = new Map(listEnds(submission).sort((a, b) => order(a) - order(b)).map((end) => [end.line, end]));
  return parts.flatMap(({ lines }) => lines).map((line) => {
    const { id, recipeKey } = stages[line]!;
    const [job, last] = [byLine.get(line), ends.get(line)];
    const isOn = job !== undefined && isLive(job);
    const end = last === undefined || isOn ? undefined : submission.readEnd(line, last.job, last.attempt);
    return { id, recipeKey, submission, line, job, end };
  });
}
