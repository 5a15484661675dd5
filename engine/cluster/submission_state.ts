import { join } from "node:path";
import { type JobEnd, jobLineSchema, type Part, type Submission } from "../../schemas/cluster_records.ts";
import { entriesOf } from "../store/reading.ts";
import { readRecords } from "../store/records.ts";
import { RunStore } from "../store/runs.ts";
import { isLive, type QueuedJob } from "./queue.ts";
import { clusterFolder, type OpenSubmission, openSubmission } from "./submission.ts";

/** Parses a job's comment: its submission, and the part or the helper that the job is. */
export function parseComment(comment: string): { readonly submission: string; readonly what: string } | undefined {
  const match = /^([0-9A-Za-z-]{1,100}):(\d{1,7}|rest|guard)(?::|$)/.exec(comment);
  return match === null ? undefined : { submission: match[1]!, what: match[2]! };
}

/** Returns the line that a job of a part computes. */
export function lineOfJob({ lines, children }: Part, id: string): number | undefined {
  const child = id.split("_")[1];
  return lines[children === null || child === undefined ? 0 : children.indexOf(Number(child))];
}

/** Returns the job of the array that a child belongs to. */
export function arrayOf(id: string): string {
  return id.split("_")[0]!;
}

/** Returns the lines of the same submission that the i-th line of a part waits for by one entry of `after`. */
export function linesOf(parts: readonly Part[], { children }: Part, i: number, entry: string): readonly number[] {
  const [on, child] = entry.split("_") as [string, string?];
  if (!on.startsWith("p")) return [];
  const part = parts[Number(on.slice(1))]!;
  const number = child === "*" ? children?.[i] : Number(child);
  return child === undefined ? part.lines : part.lines.slice(part.children?.indexOf(number!)).slice(0, 1);
}

/** Returns all lines of the same submission that the i-th line of a part waits for. */
export function linesBefore(parts: readonly Part[], part: Part, i: number): number[] {
  return part.after.flatMap((entry) => linesOf(parts, part, i, entry));
}

/**
 * Lists the attempts of a submission that have ended (`json`) or begun (`start`), by line and the newest last: the
 * names of their records.
 */
export function listAttempts({ folder }: OpenSubmission, what: "json" | "start" = "json") {
  const all = entriesOf(join(folder, "ends")).flatMap(({ name }) => {
    const match = /^(\d{1,9})\.(\d{1,10}(?:_\d{1,10})?)\.(\d{1,9})\.(json|start)$/.exec(name);
    return match?.[4] !== what ? [] : [{ line: Number(match[1]), job: match[2]!, attempt: Number(match[3]) }];
  });
  // Numbers of jobs and of attempts only grow.
  const sorted = all.sort((a, b) => parseInt(a.job) - parseInt(b.job) || a.attempt - b.attempt);
  return Map.groupBy(sorted, ({ line }) => line);
}

/** The state of a stage that was submitted. */
export interface SubmittedStage {
  readonly id: string;
  readonly recipeKey: string;
  readonly submission: OpenSubmission;
  readonly line: number;
  /** The stage's job in the queue; one that has not ended, if there is one. */
  readonly job: QueuedJob | undefined;
  /** How the stage's newest attempt ended, if it is known to have ended. */
  readonly end: JobEnd | undefined;
}

/** Yields the submissions in a shared cache, newest first. Unreadable ones are left out. */
export function* listSubmissions(cache: string): Generator<OpenSubmission> {
  const folder = clusterFolder(cache, "submissions");
  for (const name of entriesOf(folder).map((entry) => entry.name).sort().reverse()) {
    const opened = openSubmission(join(folder, name));
    if (opened.ok) yield opened.value;
  }
}

/** The newest submissions that tell which nodes to leave out. */
const RECENT = 10;

/**
 * Returns nodes on which jobs of recent submissions that start the same way ended before they began to work, more than
 * once each: such a node, without Deno perhaps, is soon free again and would take every job.
 * @param jobs the queue's jobs; one that has not ended may still begin
 */
export function nodesToLeaveOut(
  cache: string,
  { deno, packages, setup }: Submission["settings"],
  jobs: readonly QueuedJob[],
): string[] {
  const live = new Set(jobs.filter(isLive).map(({ id }) => id));
  const counts = new Map<string, number>();
  for (const { folder, head: { settings: own } } of listSubmissions(cache).take(RECENT)) {
    if (JSON.stringify([own.deno, own.packages, own.setup]) !== JSON.stringify([deno, packages, setup])) continue;
    const names = entriesOf(join(folder, "ends")).map(({ name }) => name);
    const begun = new Set(names.map((name) => /^\d+\.(.+)\.start$/.exec(name)?.[1]));
    for (const name of names) {
      const [, job, attempt, node] = /^(\d+(?:_\d+)?)\.(\d+)\.([\w.-]{1,64})\.node$/.exec(name) ?? [];
      if (node === undefined || live.has(job!) || begun.has(`${job}.${attempt}`)) continue;
      counts.set(node, 1 + (counts.get(node) ?? 0));
    }
  }
  return [...counts].filter(([, count]) => count > 1).map(([node]) => node).sort();
}

/** Returns the records of the attempts at a stage. */
export function attemptsOf({ submission, line }: Pick<SubmittedStage, "submission" | "line">): RunStore {
  // Nothing is cleared there, and no lock says which of the attempts are running.
  return new RunStore(submission.runsOf(line), false);
}

/** Returns the jobs of a submission that submit others; none if the submission has ended or needs none. */
export function helpersOf({ head }: OpenSubmission, jobs: readonly QueuedJob[]): QueuedJob[] {
  return jobs.filter((job) => {
    const comment = parseComment(job.comment);
    return isLive(job) && comment?.submission === head.id && !(Number(comment.what) < head.parts.length);
  });
}

/** Returns the arrays and single jobs that were queued, by the submission's own record. */
export function queuedParts({ folder }: OpenSubmission) {
  const files = entriesOf(folder).filter(({ name }) => /^jobs-.*\.jsonl$/.test(name));
  return files.flatMap(({ name }) => readRecords(join(folder, name), jobLineSchema));
}

/**
 * Returns the queue's job for each line; one that has not ended, if there is one. When somebody cancels a waiting
 * child, the queue forgets it at once, while it still knows others of the array: a child that was queued, never began
 * and is now missing counts as cancelled.
 */
export function jobsByLine(submission: OpenSubmission, jobs: readonly QueuedJob[]): Map<number, QueuedJob> {
  const { head } = submission;
  const found = new Map<number, QueuedJob>();
  const known = new Map<string, QueuedJob>();
  for (const job of jobs) {
    const comment = parseComment(job.comment);
    const part = comment?.submission === head.id ? head.parts[Number(comment.what)] : undefined;
    const line = part && lineOfJob(part, job.id);
    if (line !== undefined && (isLive(job) || !found.has(line))) found.set(line, job);
    if (line !== undefined) known.set(arrayOf(job.id), job);
  }
  let begun: ReturnType<typeof listAttempts> | undefined;
  for (const { part, job, children = [] } of known.size === 0 ? [] : queuedParts(submission)) {
    const other = known.get(job);
    for (const child of other === undefined ? [] : children) {
      const id = `${job}_${child}`;
      const line = lineOfJob(head.parts[part]!, id);
      if (line === undefined || found.has(line)) continue;
      begun ??= listAttempts(submission, "start");
      if (begun.has(line)) continue;
      found.set(line, { ...other!, id, state: "cancelled", word: "CANCELLED", reason: "", node: "", seconds: 0 });
    }
  }
  return found;
}

/**
 * Returns how the newest attempt at each line ended, as far as it is known to have ended.
 * @param wants returns true for the lines to read
 */
export function endsByLine(submission: OpenSubmission, wants: (line: number) => boolean): Map<number, JobEnd> {
  const found = new Map<number, JobEnd>();
  for (const [line, attempts] of listAttempts(submission)) {
    const end = wants(line) ? submission.readEnd(attempts.at(-1)!) : undefined;
    if (end !== undefined) found.set(line, end);
  }
  return found;
}

/** Returns the state of each stage of a submission. @param jobs the queue's jobs; none if the queue does not answer */
export function lookAt(submission: OpenSubmission, jobs: readonly QueuedJob[]): SubmittedStage[] {
  const { parts, stages } = submission.head;
  const lines = new Set(parts.flatMap((part) => part.lines));
  const byLine = jobsByLine(submission, jobs);
  const ends = endsByLine(submission, (line) => lines.has(line) && !(byLine.has(line) && isLive(byLine.get(line)!)));
  return [...lines].map((line) => {
    const { id, recipeKey } = stages[line]!;
    return { id, recipeKey, submission, line, job: byLine.get(line), end: ends.get(line) };
  });
}
