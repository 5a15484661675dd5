import { hostname } from "node:os";
import { join } from "node:path";
import type { JobEnd, Part } from "../../schemas/cluster_records.ts";
import { recipePointerSchema } from "../../schemas/records.ts";
import { delay } from "@std/async";
import { errorOf, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { recipeName, resultName, unseal } from "../store/cache/layout.ts";
import { appendLine, closeAppended } from "../store/files.ts";
import { Semaphore } from "../../std/semaphore.ts";
import { isThere, readIfThere, sha256Of } from "../store/reading.ts";
import { allowWritesBelow } from "../store/write_roots.ts";
import {
  arrayOf,
  endsByLine,
  helpersOf,
  jobsByLine,
  linesBefore,
  linesOf,
  listAttempts,
  parseComment,
  queuedParts,
} from "./submission_state.ts";
import { warnSecondsOf } from "./needs.ts";
import {
  isLive,
  JOB_PREFIX,
  type JobNeeds,
  type JobOrder,
  type JobRequest,
  NO_COMMAND,
  type Queue,
  type QueuedJob,
  type QueueFacts,
  silenceOf,
} from "./queue.ts";
import { jobScript } from "./script.ts";
import type { TrustedSubmission } from "./submission.ts";

/** How long a queue may be silent before a submission gives up: ten minutes, as its message says. */
const PATIENCE_MS = 10 * 60_000;
const LONGEST_PAUSE_MS = 60_000;
/**
 * The pause before looking for a job again: a controller that was stopped may answer a question before it takes the job
 * that it was given earlier.
 */
const LOOK_AGAIN_MS = 5_000;
const TRIES = 4;
/** The most jobs that are submitted at the same time. */
const AT_ONCE = 4;
/** The most passes. There is another one if the queue has forgotten a job that was to be waited for. */
const PASSES = 8;

export interface QueueContext {
  readonly queue: Queue;
  readonly say: (message: string) => void;
  readonly stop?: AbortSignal;
  /** Replaces the pause, for tests. */
  readonly pause?: (ms: number) => Promise<void>;
}

/** The state of a stage of a submission: `left` if the queue has no room for it yet. */
type Standing =
  | { readonly state: "done" | "blocked" | "left" }
  | { readonly state: "queued"; readonly job: string }
  | { readonly state: "failed"; readonly message: string };

/** The reason why not all stages can be queued; `again` if another look at the queue may help. */
type Obstacle = Result<never> | "again" | undefined;

/** Returns true if a recipe has led to a result in the shared cache. */
export function isInCache(cache: string, recipeKey: string): boolean {
  const content = readIfThere(join(cache, recipeName(recipeKey)));
  const pointer = content && unseal(content, recipePointerSchema);
  return pointer !== undefined && "record" in pointer && hasResult(cache, pointer.record.resolvedKey);
}

export function hasResult(cache: string, resolvedKey: string): boolean {
  return isThere(join(cache, resultName(resolvedKey)));
}

/** Asks until there is an answer, for a while. */
export async function untilAnswered<T extends object>(
  ask: () => Promise<T | { readonly silent: string }>,
  { say, stop, pause = pauseOf(stop) }: QueueContext,
): Promise<Result<T>> {
  for (let waited = 0, ms = 2_000;; waited += ms, ms = Math.min(LONGEST_PAUSE_MS, 2 * ms)) {
    const answer = await ask();
    if (!("silent" in answer)) return succeed(answer);
    const { silent } = answer as { silent: string };
    if (waited > PATIENCE_MS || stop?.aborted || silent.startsWith(NO_COMMAND)) return refuseSilent(silent);
    if (waited === 0) say(`the queue does not answer (${silent}); waiting for it, for up to ten minutes`);
    await pause(ms);
  }
}

function refuseSilent(silent: string): Result<never> {
  const fix = "run the same command again when it answers; no job is queued twice";
  return refuse([silenceOf(silent, fix)]);
}

/** Returns a function that pauses, and that a request to stop ends early. */
export const pauseOf = (stop: AbortSignal | undefined) => (ms: number): Promise<void> =>
  delay(ms, { signal: stop }).catch(() => {});

/** Returns the jobs in the queue, and its limits for jobs of an account. */
export async function askQueue(context: QueueContext, as: JobNeeds) {
  const view = await untilAnswered(() => context.queue.poll(), context);
  if (!view.ok) return view;
  const facts = await untilAnswered(() => context.queue.describe(as), context);
  return facts.ok ? succeed({ jobs: view.value.jobs, facts: facts.value }) : facts;
}

/**
 * Queues the stages of a submission that are neither done nor queued, in order. Nothing is queued twice, whoever calls
 * this and however often: `run --on`, helper jobs that submit what the queue had no room for, and helper jobs that
 * submit again what a partition has cancelled.
 *
 * @returns the state of each line, and `stuck`: true if stages are left that no job will submit, as the queue has no
 * room for a helper either
 */
export async function queueParts(submission: TrustedSubmission, context: QueueContext) {
  allowWritesBelow(submission.folder);
  const record = join(submission.folder, `jobs-${hostname()}-${Deno.pid}.jsonl`);
  try {
    for (let pass = 1; pass <= PASSES; pass++) {
      const found = await askQueue(context, submission.head.settings.helper);
      if (!found.ok) return found;
      const made = await new Pass(submission, context, { ...found.value, record }).run();
      if (made !== "again") return made;
    }
    return refuse([errorOf("machine", "Jobs end faster than others can be queued after them", "run again")]);
  } finally {
    // On a network file system others see the lines when the file is closed.
    closeAppended(record);
  }
}

/** One pass over all parts of a submission. */
class Pass {
  readonly #standings = new Map<number, Standing>();
  /** Arrays and single jobs that were ever queued, by part. */
  readonly #jobs = new Map<number, Set<string>>();
  readonly #byLine: ReadonlyMap<number, QueuedJob>;
  readonly #helpers: ReadonlySet<string>;
  /** Lines that were queued before and are queued again. */
  readonly #renewed = new Set<number>();
  /** Jobs that have failed or not ended yet, and their arrays. */
  readonly #open: ReadonlySet<string>;
  readonly #ends: ReadonlyMap<number, JobEnd>;
  /** Attempts that have begun, by line. One listing serves all lines of a sweep that was lost. */
  #begun: ReturnType<typeof listAttempts> | undefined;
  #room: number;
  #full = false;

  constructor(
    private readonly submission: TrustedSubmission,
    private readonly context: QueueContext,
    private readonly found: {
      readonly jobs: readonly QueuedJob[];
      readonly facts: QueueFacts;
      /** The file in which queued jobs are recorded. */
      readonly record: string;
    },
  ) {
    const { head } = submission;
    // Room is kept for the job that submits the rest and, where partitions cancel jobs, for the guard.
    this.#room = found.facts.room - (found.facts.cancelsPreempted.size === 0 ? 1 : 2);
    for (const { part, job } of queuedParts(submission)) this.#note(part, arrayOf(job));
    const jobs = this.#byLine = jobsByLine(submission, found.jobs);
    for (const [index, { lines }] of head.parts.entries()) {
      for (const line of lines) if (jobs.has(line)) this.#note(index, arrayOf(jobs.get(line)!.id));
    }
    const open = found.jobs.filter(({ state }) => state !== "done");
    this.#open = new Set(open.flatMap(({ id }) => [id, arrayOf(id)]));
    const own = context.queue.own()?.id;
    const helpers = helpersOf(submission, found.jobs).filter(({ id }) => id !== own);
    this.#helpers = new Set(helpers.map(({ comment }) => parseComment(comment)!.what));
    this.#ends = endsByLine(submission, (line) => !jobs.has(line) || !isLive(jobs.get(line)!));
  }

  #note(part: number, job: string): void {
    this.#jobs.getOrInsertComputed(part, () => new Set()).add(job);
  }

  async run() {
    const { parts } = this.submission.head;
    const limit = new Semaphore(AT_ONCE);
    let trouble: Obstacle;
    const begun: Promise<void>[] = [];
    for (const [index, part] of parts.entries()) {
      const before = part.after.filter((one) => one.startsWith("p")).map((one) => begun[parseInt(one.slice(1))]);
      const queue = async () => {
        const found = trouble ?? await this.#queuePart(part, index);
        trouble ??= found;
      };
      begun.push(Promise.all(before).then(() => limit.run(queue)));
    }
    await Promise.all(begun);
    return trouble ?? await this.#queueHelpers();
  }

  async #queuePart(part: Part, index: number): Promise<Obstacle> {
    const open = new Map<string, { order: JobOrder; at: number[] }>();
    for (const [i, line] of part.lines.entries()) {
      const standing = this.#look(index, i) ?? this.#orderOf(part, i);
      if ("state" in standing) this.#standings.set(line, standing);
      else open.getOrInsert(JSON.stringify(standing), { order: standing, at: [] }).at.push(i);
    }
    for (const { order, at } of open.values()) {
      const trouble = await this.#queue(index, order, at);
      if (trouble !== undefined) return trouble;
    }
    return undefined;
  }

  /** Returns the state of a line that need not be queued now; undefined for a line that has to be. */
  #look(index: number, i: number): Standing | undefined {
    const { head: { parts, stages, settings: { restarts } }, cache } = this.submission;
    const part = parts[index]!;
    const line = part.lines[i]!;
    const job = this.#byLine.get(line);
    if (job !== undefined && isLive(job)) return { state: "queued", job: job.id };
    const jobs = this.#jobs.get(index);
    if (jobs === undefined) return undefined;
    const end = this.#ends.get(line);
    const done = end !== undefined && end.resolvedKey !== null && hasResult(cache, end.resolvedKey);
    if (done || job?.state === "done" || isInCache(cache, stages[line]!.recipeKey)) return { state: "done" };
    if (end?.state === "failed") return { state: "failed", message: end.message ?? "no reason was given" };
    if (job?.state === "failed" || job?.state === "timeout") {
      return { state: "failed", message: `its job ${job.id} ended as ${job.word}` };
    }
    // A job that waited for one that is queued again was cancelled with it, and is queued again too.
    const follows = linesBefore(parts, part, i).some((one) => this.#renewed.has(one));
    if (job?.state === "cancelled" && !follows) return { state: "blocked" };
    if (jobs.size > restarts * this.#stepsOf(line)) {
      const message = `its job was lost or preempted ${jobs.size} times, the last without progress`;
      return { state: "failed", message };
    }
    this.#renewed.add(line);
    return undefined;
  }

  /** Returns the number of different steps from which the stage of a line has started: each is some progress. */
  #stepsOf(line: number): number {
    this.#begun ??= listAttempts(this.submission, "start");
    const begun = this.#begun.get(line)?.map((one) => this.submission.startOf(one) ?? 0) ?? [];
    return new Set([0, ...begun]).size;
  }

  /** Returns the jobs that a line waits for, or the state of the line if it cannot be queued. */
  #orderOf(part: Part, i: number): Standing | JobOrder {
    const { parts } = this.submission.head;
    const states = new Set(linesBefore(parts, part, i).map((line) => this.#standings.get(line)!.state));
    if (states.has("failed") || states.has("blocked")) return { state: "blocked" };
    if (states.has("left")) return { state: "left" };
    const [afterOk, afterChild] = [new Set<string>(), new Set<string>()];
    for (const entry of part.after) {
      const [on, child] = entry.split("_") as [string, string?];
      const own = this.#jobs.get(Number(on.slice(1)));
      const lines = linesOf(parts, part, i, entry);
      const isOwn = on.startsWith("p");
      // Children that were queued again had failed before, and so had their array.
      const isWhole = isOwn && child === undefined && lines.length > 1 && own!.size === 1;
      // Jobs of earlier submissions are not waited for if they succeeded, or ended so long ago that the queue has
      // forgotten them.
      const jobs = isOwn ? this.#jobsOf(lines) : [child === "*" ? on : entry].filter((job) => this.#open.has(job));
      if (child === "*") jobs.forEach((job) => afterChild.add(arrayOf(job)));
      else for (const job of isWhole && jobs.length > 0 ? own! : jobs) afterOk.add(job);
    }
    return { afterOk: [...afterOk], afterChild: [...afterChild] };
  }

  /** Returns the jobs that compute lines now; none for lines that are done. */
  #jobsOf(lines: readonly number[]): string[] {
    return lines.flatMap((line) => {
      const standing = this.#standings.get(line)!;
      return standing.state === "queued" ? [standing.job] : [];
    });
  }

  /** Queues some lines of a part, as many as there is room for. @returns why no more can be queued, or undefined */
  async #queue(index: number, order: JobOrder, at: readonly number[]): Promise<Obstacle> {
    const { head: { parts, stages, settings } } = this.submission;
    const { lines, children, needs } = parts[index]!;
    const now = this.#full ? [] : at.slice(0, Math.max(0, this.#room));
    for (const i of at.slice(now.length)) this.#standings.set(lines[i]!, { state: "left" });
    if (now.length === 0) return undefined;
    this.#room -= now.length;
    const keys = lines.map((line) => stages[line]!.recipeKey);
    const hash = children === null ? keys[0]! : sha256Of(keys.join());
    const count = this.#jobs.get(index)?.size ?? 0;
    const array = children && { children: now.map((i) => children[i]!), atOnce: settings.arrayLimit };
    const made = await this.#submit(String(index), count, ["--part", String(index)], {
      name: hash.slice(0, 16),
      needs,
      order: { ...order, singleton: children === null },
      ...array && { array },
    });
    if ("id" in made) {
      this.#note(index, made.id);
      const line = { part: index, job: made.id, at: new Date().toISOString() };
      appendLine(this.found.record, JSON.stringify({ ...line, ...array && { children: array.children } }));
      const jobOf = (i: number) => children === null ? made.id : `${made.id}_${children[i]}`;
      for (const i of now) this.#standings.set(lines[i]!, { state: "queued", job: jobOf(i) });
      return undefined;
    }
    if (made.trouble === "order") return "again";
    if (made.trouble === "silent") return refuseSilent(made.message);
    this.#full ||= made.trouble === "full";
    const standing: Standing = this.#full ? { state: "left" } : { state: "failed", message: made.message };
    for (const i of now) this.#standings.set(lines[i]!, standing);
    return undefined;
  }

  /** Queues the helper jobs that continue the submission when nobody watches. */
  async #queueHelpers() {
    const { head: { id, parts, settings: { helper } } } = this.submission;
    const submit = (what: "rest" | "guard", order: JobOrder, delaySeconds?: number) =>
      this.#submit(what, Date.now(), [], { name: `${what}-${id}`, needs: helper, order, delaySeconds });
    const live = [...this.#standings.values()].flatMap((one) => one.state === "queued" ? [one.job] : []);
    let stuck = false;
    if (this.#standings.values().some(({ state }) => state === "left") && !this.#helpers.has("rest")) {
      // With no job of ours in the queue, others make room, whenever that is.
      const afterAny = live.slice(live.length >> 1).slice(0, 1);
      stuck = !("id" in await submit("rest", { afterAny, singleton: true }, live.length === 0 ? 60 : undefined));
    }
    const { cancelsPreempted, defaultPartition = "" } = this.found.facts;
    const isCancelled = ({ needs: { partition = defaultPartition } }: Part) => cancelsPreempted.has(partition);
    const guarded = parts.filter(isCancelled).flatMap(({ lines }) => this.#jobsOf(lines));
    if (guarded.length > 0 && !this.#helpers.has("guard")) {
      const made = await submit("guard", { afterFailureOfAny: [...new Set(guarded.map(arrayOf))] });
      if (!("id" in made)) this.context.say(`nothing will submit again what is preempted: ${made.message}`);
    }
    const standings: ReadonlyMap<number, Standing> = this.#standings;
    return succeed({ standings, stuck });
  }

  /** Submits a job whose comment tells whether the queue has it already. @param task the arguments of `exec` */
  async #submit(
    what: string,
    count: number,
    task: readonly string[],
    { name, ...more }: Pick<JobRequest, "name" | "needs" | "order" | "array" | "delaySeconds">,
  ) {
    const { head: { id, settings }, folder, digest } = this.submission;
    const request: JobRequest = {
      ...more,
      name: `${JOB_PREFIX}${name}`,
      comment: `${id}:${what}${count === 0 ? "" : `:${count}`}`,
      script: jobScript(settings, { folder, digest, task, log: this.submission.outputPath(what) }),
      folder,
      warnSeconds: warnSecondsOf(more.needs),
    };
    return await submitOnce(request, this.context);
  }
}

/** Submits a job once: a queue that does not answer may have taken the job all the same. */
async function submitOnce(request: JobRequest, context: QueueContext) {
  const { queue, say, stop, pause = pauseOf(stop) } = context;
  for (let tries = 1;; tries++) {
    const answer = await queue.submit(request);
    if ("id" in answer || answer.trouble !== "silent" || tries === TRIES || stop?.aborted) return answer;
    say(`the queue does not say whether it took a job (${answer.message}); looking for it`);
    for (let look = 0; look < 2; look++) {
      await pause(LOOK_AGAIN_MS);
      const view = await untilAnswered(() => queue.poll(), context);
      if (!view.ok) return answer;
      const found = view.value.jobs.find(({ comment }) => comment === request.comment);
      if (found !== undefined) return { id: arrayOf(found.id) };
    }
  }
}
