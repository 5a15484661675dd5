import { definedOnly } from "../../std/defined_only.ts";
import type { JobEnd } from "../../schemas/cluster_records.ts";
import type { Emit, StageEndState } from "../run/events.ts";
import { readTail } from "../store/reading.ts";
import { attemptsOf, endsByLine, helpersOf, jobsByLine, listAttempts, parseComment } from "./submission_state.ts";
import { isLive, type QueuedJob } from "./queue.ts";
import { hasResult, isInCache, pauseOf, type QueueContext, queueParts } from "./queue_parts.ts";
import { goOn, isHere, type OpenSubmission } from "./submission.ts";
import type { SubmittedPipeline, Tracked } from "./submit.ts";

const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 60_000;
/** How long a file that another host wrote may stay unseen on a network file system. */
const UNSEEN_MS = 60_000;
/**
 * The pause between two looks, in milliseconds for each stage: the time of a listing grows with the number of its
 * entries, and more frequent looks would be noticeable.
 */
const LOOK_MS_EACH = 4;

/** How long a cache folder that is away is waited for. */
const AWAY_MINUTES = 30;
const PERHAPS = ": perhaps it was killed from outside or ran out of memory";

interface WatchOptions extends QueueContext {
  readonly emit: Emit;
  readonly stop: AbortSignal;
  readonly now?: () => number;
}

interface Row extends Tracked {
  /** The stages that this one waits for. */
  before: readonly Row[];
  job?: QueuedJob | undefined;
  end?: JobEnd | undefined;
  /** True if a helper job of its submission will submit more. */
  isHelped?: boolean;
  /** The progress that was reported last; empty at first. */
  reportedProgress?: string;
  /** The job that was reported as held. */
  reportedHeld?: string;
  /** The end of the last attempt that was reported as queued again, so that it is reported once. */
  reportedRequeue?: string;
  /** Since when nothing is known of the stage. */
  unseenSince?: number;
  state?: StageEndState;
}

/** Watches until all stages have ended, or somebody asks to stop; the jobs do not need to be watched. */
export async function watchJobs(submitted: SubmittedPipeline, options: WatchOptions) {
  const watch = new Watch(submitted, options);
  const { stop, pause = pauseOf(stop) } = options;
  const look = Math.max(FIRST_PAUSE_MS, submitted.tracked.length * LOOK_MS_EACH);
  for (let wait = FIRST_PAUSE_MS; !stop.aborted; wait = Math.min(LONGEST_PAUSE_MS, 2 * wait)) {
    await watch.poll();
    for (let left = wait;;) {
      watch.look();
      if (watch.isOver || stop.aborted) return watch.end;
      if (watch.isUnsure) left = Math.min(left, wait = FIRST_PAUSE_MS);
      if (left <= 0) break;
      const ms = Math.min(look, left);
      await pause(ms);
      left -= ms;
    }
    await watch.goOn();
  }
  return watch.end;
}

class Watch {
  readonly #rows: readonly Row[];
  #silent = false;
  #said = "";
  #stuck: boolean;
  #lost = false;
  /** Since when the cache folder is away, and the minutes of that which were reported. */
  #away: { readonly since: number; told: number } | undefined;
  /** The cache folder, once it has been away for too long. */
  #gone: string | undefined;
  /** True if only the queue can tell whether a stage has failed. */
  isUnsure = false;
  readonly #now: () => number;

  constructor(private readonly submitted: SubmittedPipeline, private readonly options: WatchOptions) {
    const { tracked, before, own } = submitted;
    this.#rows = tracked.map((one) => ({ ...one, before: [] }));
    const byId = new Map(this.#rows.map((row) => [row.id, row]));
    for (const row of this.#rows) row.before = before.get(row.id)!.flatMap((one) => byId.get(one) ?? []);
    this.#stuck = own?.queued.stuck ?? false;
    this.#now = options.now ?? (() => performance.now());
    for (const row of this.#rows) {
      const standing = row.submission === own?.submission ? own.queued.standings.get(row.line) : undefined;
      if (standing?.state === "failed") this.#finish(row, "failed", standing);
    }
  }

  get isOver(): boolean {
    return this.#lost || this.#gone !== undefined || this.#rows.every(({ state }) => state !== undefined);
  }

  get end() {
    return {
      /** How stages ended, by id. */
      ended: new Map(this.#rows.flatMap(({ id, state }) => state === undefined ? [] : [[id, state] as const])),
      /** True if jobs are gone without a trace, so that they should be submitted again. */
      lost: this.#lost,
      /** The cache folder, if it was away for so long that it is waited for no longer. */
      gone: this.#gone,
    };
  }

  /** Asks the queue about all jobs. If the queue is silent, what was known before still counts. */
  async poll(): Promise<void> {
    const view = await this.options.queue.poll();
    const wasSilent = this.#silent;
    this.#silent = "silent" in view;
    if ("silent" in view) {
      if (!wasSilent) this.options.say(`the queue does not answer (${view.silent}); jobs go on without it`);
      return;
    }
    for (const [submission, rows] of Map.groupBy(this.#rows, ({ submission }) => submission)) {
      const jobs = jobsByLine(submission, view.jobs);
      const isHelped = helpersOf(submission, view.jobs).length > 0;
      for (const row of rows) {
        // The known end of a job still counts when the queue has forgotten the job.
        row.job = jobs.get(row.line) ?? (row.job && !isLive(row.job) ? row.job : undefined);
        row.isHelped = isHelped;
      }
    }
    this.#reportHeld();
  }

  /**
   * Reports jobs that will not start by themselves, with the command that releases them: nobody else may ever do it.
   */
  #reportHeld(): void {
    const held = this.#rows.filter(({ job, reportedHeld }) =>
      job?.release !== undefined && isLive(job) && job.id !== reportedHeld
    );
    for (const [why, rows] of Map.groupBy(held, ({ job }) => `${job!.reason}; \`${job!.release} `)) {
      const ids = rows.map((row) => row.reportedHeld = row.job!.id);
      const jobs = ids.length === 1 ? `${rows[0]!.id}: its job is` : `${ids.length} jobs are`;
      this.options.say(`${jobs} ${why}${ids.join()}\` lets ${ids.length === 1 ? "it" : "them"} go`);
    }
  }

  /** Submits more stages if the queue had no room for a job that does so. */
  async goOn(): Promise<void> {
    const { own } = this.submitted;
    if (!this.#stuck || own === undefined) return;
    const queued = await queueParts(own.submission, this.options);
    this.#stuck = !queued.ok || queued.value.stuck;
  }

  /** Reads the records that jobs have left in the submissions. */
  look(): void {
    this.isUnsure = false;
    const open = this.#rows.filter(({ state }) => state === undefined);
    const away = open.find(({ submission }) => !isHere(submission.folder))?.submission;
    if (away !== undefined) return this.#waitFor(away.cache, open);
    this.#away = undefined;
    for (const [submission, rows] of Map.groupBy(open, ({ submission }) => submission)) {
      const lines = new Set(rows.map(({ line }) => line));
      const ends = endsByLine(submission, (line) => lines.has(line));
      for (const row of rows) row.end = ends.get(row.line) ?? row.end;
    }
    const waiting = new Map<string, string[]>();
    let running = 0;
    for (const row of open) {
      const reason = this.#settle(row);
      if (reason === undefined) continue;
      if (reason === "") running++;
      else waiting.getOrInsert(reason, []).push(row.id);
    }
    const event = { type: "queue-changed" as const, running, waiting: Object.fromEntries(waiting) };
    const text = JSON.stringify(event);
    if (text !== this.#said && !this.isOver) this.options.emit(event);
    this.#said = text;
  }

  /** Reports once a minute that the cache folder is away, for a while. */
  #waitFor(cache: string, open: readonly Row[]): void {
    this.#away ??= { since: this.#now(), told: -1 };
    const minutes = Math.floor((this.#now() - this.#away.since) / 60_000);
    const told = `waiting for it (${minutes} of ${AWAY_MINUTES} minutes)`;
    if (minutes > this.#away.told) this.options.say(`the cache folder ${cache} is not there; ${told}`);
    this.#away.told = minutes;
    if (minutes >= AWAY_MINUTES) this.#gone = cache;
    open.forEach((row) => delete row.unseenSince);
  }

  /** Updates a stage's state. @returns why it waits, or empty if it runs; undefined if it has ended */
  #settle(row: Row): string | undefined {
    const { job, end, submission: { cache } } = row;
    const isDone = end?.state === "ran" || end?.state === "hit";
    if (isDone && hasResult(cache, end.resolvedKey ?? "")) {
      return this.#finish(row, end.state === "hit" ? "cached" : "ran");
    }
    if (end?.state === "failed") {
      // An attempt that lives on in the queue, or has begun since, may still succeed.
      if (job === undefined || !isLive(job) || this.#silent) return this.#finish(row, "failed", end);
      const last = listAttempts(row.submission, "start").get(row.line)?.at(-1);
      const isLater = last !== undefined && (last.job !== end.job || last.attempt > end.attempt);
      this.isUnsure ||= job.state !== "waiting" && !isLater;
    }
    if (job !== undefined && isLive(job) && !isDone) {
      delete row.unseenSince;
      // A job that was stopped without a message may have been cancelled, unless it waits again.
      const isAgain = end?.state === "again" && (end.message !== null || job.state === "waiting");
      if (isAgain && end.endedAt !== row.reportedRequeue) this.options.say(phraseAgain(row.id, end));
      if (isAgain) row.reportedRequeue = end.endedAt;
      if (job.state === "waiting") return job.reason === "" ? "about to start" : job.reason;
      if (job.state === "suspended") return "suspended by the queue";
      this.#reportProgress(row, job);
      return "";
    }
    if (row.before.some(({ state }) => state === "failed" || state === "blocked")) return this.#finish(row, "blocked");
    const ownFault = job?.state === "failed" || job?.state === "timeout";
    if ((row.isHelped && !ownFault && !isDone) || this.#stuck) {
      return "for a small job that submits more";
    }
    if (job?.state === "cancelled" && !isDone) {
      if (isInCache(cache, row.recipeKey)) return this.#finish(row, "ran");
      // The queue cancels jobs that wait for a failed job, and that failure may not be seen yet.
      const isOwn = row.before.every((one) =>
        one.state !== undefined || /waiting|running|suspended/.test(one.job?.state ?? "")
      );
      if (!isOwn) return "for other jobs";
      return this.#finish(row, "failed", { message: `its job ${job.id} was cancelled (by somebody)`, fix: fixOf(row) });
    }
    row.unseenSince ??= this.#now();
    // While the queue is silent, it is unknown whether it has forgotten the job.
    if (this.#now() - row.unseenSince < UNSEEN_MS || this.#silent) {
      return "for results that are not seen yet";
    }
    if (isInCache(cache, row.recipeKey)) return this.#finish(row, "ran");
    if (job === undefined && !isDone) {
      this.options.say(`${row.id}: its job is gone without a trace; submitting it again`);
      this.#lost = true;
      return undefined;
    }
    const message = isDone ? "its result cannot be seen in the shared cache" : phraseLoss(row.submission, job!);
    return this.#finish(row, "failed", { message, fix: fixOf(row) });
  }

  /** Reports that a job runs, and how far it is. */
  #reportProgress(row: Row, { id, node }: QueuedJob): void {
    const { emit } = this.options;
    const runs = attemptsOf(row);
    const attempt = runs.ids()[0];
    if (row.reportedProgress === undefined) {
      const planned = this.submitted.plan.actions.get(row.id)!;
      emit({ type: "stage-started", id: row.id, planned, where: node === "" ? `job ${id}` : `job ${id} on ${node}` });
    }
    const progress = attempt === undefined ? undefined : runs.lastProgress(attempt, row.id);
    const text = progress === undefined ? "" : JSON.stringify(progress);
    const isNew = text !== row.reportedProgress;
    row.reportedProgress = text;
    if (progress === undefined || !isNew) return;
    const { done, total, unit, perSecond } = progress;
    const figures = Object.fromEntries(Object.entries(progress.figures).map(([name, { last }]) => [name, last]));
    emit({ type: "stage-progress", id: row.id, update: { done, total, unit, figures }, perSecond });
  }

  #finish(
    row: Row,
    state: StageEndState,
    { message, fix }: { readonly message?: string | null; readonly fix?: string | null } = {},
  ): undefined {
    row.state = state;
    const { id, end, job } = row;
    const durationMs = end === undefined || end.state === "again"
      ? 1000 * (job?.seconds ?? 0)
      : Math.max(0, Date.parse(end.endedAt) - Date.parse(end.startedAt));
    const runs = attemptsOf(row);
    const attempt = state === "failed" ? runs.ids()[0] : undefined;
    const cancelled = state === "failed" && job?.state === "cancelled" ? true as const : undefined;
    const log = attempt === undefined ? undefined : runs.logPath(attempt, id);
    const said = definedOnly({ cancelled, message: message || undefined, fix: fix || undefined, log });
    this.options.emit({ type: "stage-finished", id, state, durationMs, ...said });
  }
}

function fixOf({ id, job, submission, line }: Row): string {
  const saved = submission.savedStep(listAttempts(submission, "start").get(line));
  const isShort = job?.state === "timeout" && !saved;
  return isShort ? `raise timeout of ${id}, or time of the cluster file: nothing was saved` : goOn(saved);
}

/** Says how a job ended that left no record. One that could not begin may have printed why. */
function phraseLoss(submission: OpenSubmission, { id, word, comment, node }: QueuedJob): string {
  const path = submission.outputPath(parseComment(comment)!.what, id.split("_")[1]);
  const said = readTail(path, 4_000)?.trim().split("\n").slice(-8).join("\n");
  const end = `its job ${id} ended (${word})${node === "" ? "" : ` on ${node}`}`;
  if (said === undefined) return `${end} before it wrote to the cache: does that node see ${submission.cache}?`;
  if (said === "") return `${end} and gave no reason${word === "FAILED" ? PERHAPS : ""}`;
  return `${end} and left no record; ${path} ends:\n${said}`;
}

function phraseAgain(id: string, { message, toStep }: JobEnd): string {
  return `${id}: ${message ?? "it was stopped"}; ${toStep === null ? "" : `saved at step ${toStep}, `}queued again`;
}
