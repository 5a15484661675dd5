import { delay } from "@std/async";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { z } from "zod";
import { definedOnly } from "../../std/defined_only.ts";
import { type JobEnd, jobEndSchema, jobStartSchema } from "../../schemas/cluster_records.ts";
import type { ResultManifest } from "../../schemas/records.ts";
import { type Diagnostic, errorOf } from "../diagnostic/diagnostic.ts";
import type { BuiltinKinds } from "../pipeline/load/kinds.ts";
import { Planner } from "../plan/planner.ts";
import { Grants } from "../run/rights.ts";
import type { Emit, StageProblem } from "../run/events.ts";
import { runPipeline } from "../run/run_pipeline.ts";
import type { Trouble } from "../store/cache/backend.ts";
import { FolderBackend } from "../store/cache/folder_backend.ts";
import { PATIENCE } from "../store/cache/client.ts";
import { SharedCache } from "../store/cache/shared_cache.ts";
import { disableFsync, makeFolder, removeQuietly, writeAtomically } from "../store/files.ts";
import { abandonedIn, newRunId } from "../store/run_ids.ts";
import { isThere, realPath, statIfThere } from "../store/reading.ts";
import { recordText } from "../store/records.ts";
import { allowWritesBelow } from "../store/write_roots.ts";
import { openStore, type Store } from "../store/store.ts";
import { explainIoError, ignoreIoErrors } from "../store/io_errors.ts";
import { lineOfJob } from "./submission_state.ts";
import type { Queue } from "./queue.ts";
import { JobExecutor } from "./executors.ts";
import { type Attempt, goOn, isHere, type TrustedSubmission } from "./submission.ts";
import { type JobAction, prepareAction, readAction } from "./job_action.ts";

/**
 * Exit codes of a job. `done`: the stage is done, or its result was already there; `failed`: the stage failed;
 * `unusable`: this node or the submission cannot be used; `again`: the stage was saved and queued again.
 */
export const JOB_EXIT = { done: 0, failed: 1, unusable: 2, again: 75 } as const;

/** The reason for stopping a job whose time limit is near. Any other reason means that the queue ends the job. */
export const LIMIT_NEAR = "limit";

/**
 * Numbers of tries, with growing pauses. For inputs they take a minute, as file servers show new files late; for
 * sending some minutes, as a full cache may have room again.
 */
const INPUT_TRIES = 6;
const SEND_TRIES = 9;
const PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 60_000;
/**
 * How long to wait for the signal that may have ended a stage's process: the queue signals all processes of a job, so
 * the stage may end before this process is told.
 */
const SIGNAL_MS = 1_000;
/** How often the queue is asked if it is ending this job, which happens some time after its signal. */
const END_TRIES = 18;
const LOOK_MS = 5_000;

export interface JobOptions {
  readonly submission: TrustedSubmission;
  /** The number of this job's part in the submission. */
  readonly part: number;
  readonly queue: Queue;
  readonly kinds: BuiltinKinds;
  readonly versions: Readonly<Record<string, string>>;
  readonly emit: Emit;
  /** Stops the stage, which then saves; see {@linkcode LIMIT_NEAR}. */
  readonly stop: AbortSignal;
  /** A factor on all waits, for tests. */
  readonly pace?: number;
}

interface Outcome extends Pick<JobEnd, "state">, Partial<Pick<JobEnd, "resolvedKey" | "fromStep" | "toStep">> {
  readonly problems?: readonly Diagnostic[];
  readonly unusable?: true;
  /** True if something was not found that file servers may show later. */
  readonly isLate?: true;
}

function failed(message: string, fix: string, more: Partial<Outcome> = {}): Outcome {
  return { state: "failed", problems: [errorOf("check", message, fix)], ...more };
}

/**
 * Executes this job's stage of a submission, in scratch space of this node, and publishes its result.
 * @returns the exit code, and `end`: how the job ended, as recorded; absent if it is not known what was to be done
 */
export async function runJob(options: JobOptions) {
  const unusable = (problems: readonly Diagnostic[]) => ({ code: JOB_EXIT.unusable, problems, end: undefined });
  const { queue, submission, part: number } = options;
  const own = queue.own();
  if (own === undefined) {
    return unusable([errorOf("check", "this is no job of a cluster's queue", "submit with run --on")]);
  }
  const part = submission.head.parts[number];
  const line = part && lineOfJob(part, own.id);
  if (line === undefined) {
    return unusable([errorOf("check", `the submission has no part ${number} for this job`, "submit again")]);
  }
  return await new JobAttempt(submission, { line, job: own.id, attempt: own.attempt }, { pace: 1, ...options }).run();
}

/** Waits after a try. */
function pauseAfter(tries: number, { pace = 1, ...until }: { readonly pace?: number; readonly signal?: AbortSignal }) {
  return delay(Math.min(PAUSE_MS * 2 ** (tries - 1), LONGEST_PAUSE_MS) * pace, until).catch(() => {});
}

/**
 * Waits for a cache that is missing, for as long as a full one is waited for.
 * @param folder of a submission in the cache @returns true if the cache is there
 */
export async function waitForCache(
  folder: string,
  { stop, emit, pace = 1 }: Pick<JobOptions, "stop" | "emit" | "pace">,
): Promise<boolean> {
  for (let tries = 1; !isHere(folder); tries++) {
    if (tries === SEND_TRIES || stop.aborted) return false;
    const message = `the cache folder ${resolve(folder, "../../..")} is not there; waiting for it`;
    if (tries === 1) emit({ type: "note", message });
    await pauseAfter(tries, { pace, signal: stop });
  }
  return true;
}

/** One attempt at one stage. */
class JobAttempt {
  readonly #startedAt = new Date().toISOString();

  constructor(
    private readonly submission: TrustedSubmission,
    private readonly own: Attempt,
    private readonly options: Required<JobOptions>,
  ) {}

  async run() {
    let outcome = await this.#attempt();
    // A loader or a stage that was killed together with this job has not failed by its own code.
    if (outcome.state === "failed" && await this.#isStopped()) outcome = { ...outcome, state: "again", problems: [] };
    // The end is recorded before the queue ends this process.
    let end = await this.#record(outcome);
    if (outcome.state === "again") {
      // If the next attempt at this job has begun already, queueing the job again would end that attempt.
      const isOld = isThere(this.submission.attemptPath({ ...this.own, attempt: this.own.attempt + 1 }, "start"));
      const isEnded = isOld || (this.options.stop.reason !== LIMIT_NEAR && await this.#isEnded());
      const refused = isEnded ? undefined : await this.options.queue.requeueOwn();
      if (refused === undefined) return { code: JOB_EXIT.again, problems: [], end };
      const saved = outcome.toStep ?? outcome.fromStep ?? undefined;
      outcome = failed(`it was stopped, and cannot be queued again: ${refused}`, goOn(saved));
      end = await this.#record(outcome);
    }
    const code = outcome.unusable ? JOB_EXIT.unusable : outcome.state === "failed" ? JOB_EXIT.failed : JOB_EXIT.done;
    return { code, problems: outcome.problems ?? [], end };
  }

  /** Makes an attempt; if it fails because the cache is away for a while, repeats it when the cache is back. */
  async #attempt(): Promise<Outcome> {
    const { submission, options: { stop } } = this;
    for (let tries = 1;; tries++) {
      if (!await waitForCache(submission.folder, this.options)) {
        const fix = "see that this node has it mounted, then run again with --on";
        return failed(`the cache folder ${submission.cache} is not there`, fix, { unusable: true });
      }
      allowWritesBelow(submission.folder);
      this.#write("start", jobStartSchema, { fromStep: null });
      let outcome: Outcome;
      try {
        // All nodes of a job see its submission, but not each other's own disks.
        const isSpread = submission.head.parts[this.options.part]!.needs.nodes !== undefined;
        using scratch = makeScratch(isSpread ? join(submission.folder, "scratch") : undefined);
        outcome = await this.#work(scratch.path);
      } catch (error) {
        const trouble = explainIoError(error);
        if (trouble === undefined) throw error;
        outcome = { state: "failed", problems: [trouble] };
      }
      // Files that could not be read may be there by now, and so may the cache.
      const mayHelp = outcome.isLate || !isHere(submission.folder) || (outcome.unusable && tries === 1);
      if (outcome.state !== "failed" || !mayHelp || tries === INPUT_TRIES || stop.aborted) return outcome;
      await pauseAfter(tries, { pace: this.options.pace });
    }
  }

  /** True if the queue is ending this job; waits a moment for a stop signal that has not arrived yet. */
  async #isStopped(): Promise<boolean> {
    const { stop, pace } = this.options;
    if (!stop.aborted) await delay(SIGNAL_MS * pace, { signal: stop }).catch(() => {});
    return stop.aborted && stop.reason !== LIMIT_NEAR;
  }

  async #work(scratch: string): Promise<Outcome> {
    const { submission, own: { line } } = this;
    const store = openStore(join(scratch, "store"), submission.runsOf(line));
    const cache = this.#openCache();
    const action = await readAction(submission, line, store, cache);
    if (!action.ok) return { state: "failed", unusable: true, problems: action.diagnostics };
    const { pipeline, id, externals, given } = action.value;
    const made = Planner.make(pipeline, store, { targets: [id], cache, externals, given });
    if (!made.ok) return { state: "failed", problems: made.diagnostics };
    const { manifest, keys } = (await made.value.plan()).actions.get(id)!;
    if (manifest !== undefined) return await this.#hit(cache, manifest, { resolvedKey: manifest.resolvedKey });
    const missing = [...given].filter(([, one]) => one.manifest === undefined);
    if (missing.length === 0 && keys !== undefined) {
      return await this.#compute(action.value, store, keys.resolvedKey, scratch);
    }
    const names = missing.slice(0, 3).map(([one]) => one).join(", ");
    const message = `what it reads is not in the shared cache: ${names}`;
    return failed(message, "run again with --on, which computes it", { isLate: true });
  }

  /** Ends with a result that was there, to which the recipes of what jobs after this one read must lead, too. */
  async #hit(cache: SharedCache, manifest: ResultManifest, steps: Partial<Outcome>): Promise<Outcome> {
    const { submission: { head }, own: { line } } = this;
    const unsent = await cache.point(manifest, head.stages[line]!.recipeKey);
    if (unsent === undefined) return { state: "hit", ...steps };
    const why = `it is finished, but the shared cache cannot be updated: ${unsent.message}`;
    return failed(why, unsent.fix ?? "run again", { isLate: true });
  }

  /** Returns true if the queue ends this job, as its signal announced; after a preemption that takes a while. */
  async #isEnded(): Promise<boolean> {
    for (let tries = 1; tries <= END_TRIES; tries++) {
      const view = await this.options.queue.poll();
      if ("jobs" in view && view.jobs.some(({ id, state }) => id === this.own.job && state !== "running")) return true;
      await delay(LOOK_MS * this.options.pace);
    }
    return false;
  }

  /**
   * Opens the cache afresh: an earlier instance remembers what was there. A stage that was stopped must still send its
   * result, so the request to stop does not reach the cache.
   */
  #openCache(): SharedCache {
    const { submission: { cache, folder, head }, own: { job }, options: { emit, pace } } = this;
    const backend = new FolderBackend(cache, () => isHere(folder));
    const warn = (diagnostic: Diagnostic) => emit({ type: "warning", diagnostic });
    const { signal: stop } = new AbortController();
    const claimant = { owner: `${head.id} ${job}`, host: `job ${job}` };
    const patience = { lookMs: PATIENCE.lookMs * pace };
    return new SharedCache(backend, "read-write", { name: cache, warn, stop, claimant, patience });
  }

  async #compute(action: JobAction, store: Store, resolvedKey: string, scratch: string): Promise<Outcome> {
    const { submission, own, options, options: { stop } } = this;
    const { id, externals, given } = action;
    const here = { kinds: options.kinds, digests: store.digests };
    const prepared = await prepareAction(submission, action, join(scratch, "pipeline"), here);
    if (!prepared.ok) return { state: "failed", unusable: true, problems: prepared.diagnostics };
    const { pipeline, granted } = prepared.value;
    const grants = new Grants(pipeline.folder, join(scratch, "grants.json"));
    granted.forEach((one) => grants.add(one));
    const cards = Deno.env.get("CUDA_VISIBLE_DEVICES") ?? "";
    let waited = false;
    const cache = this.#openCache();
    const spread: Queue["spread"] = (...given) => options.queue.spread(...given);
    const executor = new JobExecutor(submission, own, store, spread, (fromStep, toStep) => {
      this.#write("start", jobStartSchema, { fromStep, ...definedOnly({ toStep }) });
      return toStep === undefined ? this.#giveUp(fromStep) : undefined;
    });
    const ran = await runPipeline(pipeline, store, {
      ...{ targets: [id], cache, externals, given, grants, executor, versions: options.versions, stop },
      gpus: cards.split(",").filter((card) => /^[\w-]+$/.test(card) && card !== "NoDevFiles"),
      // The queue assigns GPUs, and each job may count its own from 0, so they are not locked on the host.
      lockFolder: join(scratch, "slots"),
      emit: (event) => {
        waited ||= event.type === "stage-waiting";
        options.emit(event);
      },
    });
    const { states, fromStep } = executor;
    const toStep = await states?.settle() ?? 0;
    if (!ran.ok) return { state: "failed", problems: ran.diagnostics };
    const { manifest, state, message, fix = "see its log" } = ran.value.actions.get(id)!;
    const steps = { resolvedKey, fromStep, toStep: toStep > 0 ? toStep : null };
    if (manifest !== undefined && state !== "ran") return await this.#hit(cache, manifest, steps);
    if (manifest !== undefined) {
      const unsent = await this.#send(cache, manifest, store);
      if (unsent === undefined) return { state: "ran", ...steps };
      const why = `its result cannot be sent to the shared cache: ${unsent.message}`;
      return failed(why, unsent.fix ?? "run again", steps);
    }
    // A job that waited for another one until its time was over has not begun.
    const mayGoOn = toStep > fromStep || (waited && states === undefined);
    // A job that the queue ends may fail in any way. The stage saved what it could, and continues from there.
    if (stop.aborted && (stop.reason !== LIMIT_NEAR || (state !== "failed" && mayGoOn))) {
      return { state: "again", ...steps };
    }
    if (state === "failed") return failed(message ?? "it failed", fix, steps);
    const why = states?.problem === undefined ? "" : ` (${states.problem})`;
    const short = `its time limit is too short to get from step ${fromStep} to the next saved state${why}`;
    return failed(short, `raise timeout of ${id}, or time of the cluster file`, steps);
  }

  /** Returns an error once `restarts` earlier attempts began at this same step; undefined if the job may try again. */
  #giveUp(fromStep: number): StageProblem | undefined {
    const { submission, own } = this;
    let idle = 0;
    for (let attempt = own.attempt - 1; attempt >= 0; attempt--) {
      const one = { ...own, attempt };
      const began = submission.startOf(one);
      // That attempt waited for another job all the time.
      if (began === null && submission.readEnd(one)?.state === "again") continue;
      if (began !== null && began !== fromStep) break;
      idle++;
    }
    if (idle < submission.head.settings.restarts) return undefined;
    const message = `it was started ${idle + 1} times without getting further than step ${fromStep}`;
    return { message, fix: "see its log; raise time or memory, or let it save more often" };
  }

  /** Sends a result that the run could not send. The cache may be full for a while, or away. */
  async #send(first: SharedCache, manifest: ResultManifest, store: Store): Promise<Trouble | undefined> {
    const { submission: { head }, own: { line }, options: { stop, emit } } = this;
    for (let cache = first, tries = 1;; tries++) {
      const { problem } = await cache.uploads.finish();
      if (problem === undefined || problem.kind === "unfit" || tries === SEND_TRIES || stop.aborted) return problem;
      emit({ type: "note", message: `its result was not sent, trying again: ${problem.message}` });
      await pauseAfter(tries, { pace: this.options.pace });
      cache = this.#openCache();
      cache.offer(manifest, head.stages[line]!.recipeKey, store);
    }
  }

  async #record({ state, problems = [], resolvedKey = null, fromStep = null, toStep = null }: Outcome) {
    await waitForCache(this.submission.folder, this.options);
    const [first] = problems;
    const { own, options: { stop } } = this;
    const end: JobEnd = {
      ...{ ...own, state, resolvedKey, fromStep, toStep },
      message: first?.message ?? (state === "again" && stop.reason === LIMIT_NEAR ? "time limit reached" : null),
      fix: first?.fix ?? null,
      node: Deno.env.get("SLURMD_NODENAME") ?? hostname(),
      startedAt: this.#startedAt,
      endedAt: new Date().toISOString(),
    };
    this.#write("json", jobEndSchema, end);
    return end;
  }

  /** Writes a record. A full cache costs the record, not the stage. */
  #write<T extends z.ZodType>(what: "start" | "json", schema: T, record: z.input<T>): void {
    const path = this.submission.attemptPath(this.own, what);
    ignoreIoErrors(() => writeAtomically(path, recordText(path, schema, record)));
  }
}

/**
 * Makes a folder for this process alone, and removes folders that dead processes left.
 * @param shared where to make it; else it lies on the node's own disk
 */
function makeScratch(shared: string | undefined): Disposable & { readonly path: string } {
  if (shared !== undefined) makeFolder(shared);
  const root = realPath(shared ?? Deno.env.get("TMPDIR") ?? "/tmp");
  const prefix = `noiseline-${hostname()}-`;
  for (const path of abandonedIn(root, prefix)) {
    // Folders of other users may have such names too.
    if (statIfThere(path)?.uid !== Deno.uid()) continue;
    allowWritesBelow(path);
    removeQuietly(path);
  }
  const path = Deno.makeTempDirSync({ dir: root, prefix: `${prefix}${newRunId(new Date(), Deno.pid)}-` });
  allowWritesBelow(path);
  disableFsync(path);
  return { path, [Symbol.dispose]: () => removeQuietly(path) };
}
