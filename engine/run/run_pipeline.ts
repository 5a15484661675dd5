import { join } from "node:path";
import { countOf } from "../../std/count_of.ts";
import { download } from "../../std/download.ts";
import type { SharedCache } from "../store/cache/shared_cache.ts";
import { type Diagnostic, errorOf, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { type Emit, NO_ENDS, type RunStatus, type StageEndState } from "./events.ts";
import { predecessorsOf } from "../keys/stage.ts";
import type { RunOptions } from "./run_options.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { mayRun, type Plan, RUNNING_STATES } from "../plan/plan.ts";
import { Planner } from "../plan/planner.ts";
import { Grants, learnVersions, notGranted, requestsOf } from "./rights.ts";
import { makeFolder } from "../store/files.ts";
import { isThere } from "../store/reading.ts";
import { ignoreIoErrors, isIoError, isMachineError } from "../store/io_errors.ts";
import type { Store } from "../store/store.ts";
import { findClosedStore } from "./local_executor.ts";
import { findSharedOutputs, findStaleOutputs, planWithoutDevices } from "./stale_outputs.ts";
import { estimateRun } from "./probe.ts";
import { markBlocked, Scheduler } from "./scheduler.ts";
import { capacityOf } from "./slots.ts";
import type { StageResult } from "./stage_result.ts";
import { waitingForStore } from "./stage_runner.ts";

export type RunSummary = Readonly<ReturnType<PipelineRun["finish"]>>;

/**
 * Brings a pipeline to its declared state. Cached stages are not touched; the rest runs in dependency order.
 * @returns a summary; or what must be put right before anything can run
 */
export async function runPipeline(
  pipeline: Pipeline,
  store: Store,
  options: RunOptions = {},
): Promise<Result<RunSummary>> {
  using locks = new DisposableStack();
  const grants = options.grants ?? new Grants(pipeline.folder);
  const known = await learnVersions(pipeline, grants);
  const planned = await planRun(known, store, { ...options, grants }, locks);
  if (!planned.ok) return planned;
  const run = planned.value;
  const granted = await run.askForRights();
  // A program that the user has granted now may say its version, which decides what runs.
  const learned = granted.ok && granted.value ? await learnVersions(known, grants) : known;
  if (learned !== known) {
    locks.dispose();
    return await runPipeline(learned, store, { ...options, grants });
  }
  const ready = granted.ok && granted.value && !run.isComplete ? await run.prepareStore(locks) : granted;
  if (!ready.ok) return ready;
  return succeed(ready.value ? await run.execute() : run.finish("interrupted"));
}

/** Makes the plan of a run, while the store is kept as it is. */
async function planRun(
  pipeline: Pipeline,
  store: Store,
  options: RunOptions & Required<Pick<RunOptions, "grants">>,
  locks: DisposableStack,
): Promise<Result<PipelineRun>> {
  const emit = options.emit ?? (() => {});
  const locked = await lockStore(store, options, (...how) => store.guards.acquireSharedGcLock(...how));
  if (!locked.ok) return locked;
  const still = locks.use(new DisposableStack());
  still.use(locked.value);
  // This process may know the store as it was before the last `gc`.
  store.results.forget();
  const { root, paths: { kept } } = store;
  // The folder of files that only save time is made again by the next run, even by one that has nothing to do.
  if (isThere(root) && !isThere(kept)) ignoreIoErrors(() => makeFolder(kept));
  const planner = Planner.make(pipeline, store, options);
  if (!planner.ok) return planner;
  const started = performance.now();
  const plan = await planner.value.plan();
  const problems = [...plan.problems, ...options.review?.(plan) ?? []];
  if (problems.length > 0) return refuse(problems);
  return succeed(new PipelineRun(planner.value, plan, store, { ...options, emit }, { started, still }));
}

/** A run from its plan to its summary. */
class PipelineRun {
  readonly #results = new Map<string, StageResult>();

  /** @param still keeps the results that the plan found, until the run has recorded that it relies on them */
  constructor(
    private readonly planner: Planner,
    private readonly plan: Plan,
    private readonly store: Store,
    private readonly options: RunOptions & Required<Pick<RunOptions, "emit" | "grants">>,
    private readonly begun: { readonly started: number; readonly still: Disposable },
  ) {
    for (const [id, { state, manifest }] of plan.actions) {
      if (state === "cached") this.#results.set(id, { state: "cached", manifest: manifest! });
    }
  }

  /** True if there is nothing to run. */
  get isComplete(): boolean {
    return this.#results.size === this.plan.actions.size;
  }

  get #isStopped(): boolean {
    return this.options.stop?.aborted === true;
  }

  /** Asks the user about rights that are missing. @returns false if the run was stopped meanwhile */
  async askForRights(): Promise<Result<boolean>> {
    const { actions, pipeline: { folder, origins } } = this.plan;
    const { grants } = this.options;
    const requests = grants.open(requestsOf([...actions.values()].filter(mayRun), folder));
    const isGranted = requests.length === 0 || await this.options.askForGrants?.(requests) === true;
    if (!isGranted && !this.#isStopped) return refuse([notGranted(requests, origins)]);
    if (isGranted) requests.forEach((one) => grants.add(one));
    // After Ctrl-C while `gc` had the store to itself, the plan was made without the lock.
    return succeed(!this.#isStopped);
  }

  /**
   * Makes the store ready for stages that run, once the user has agreed to a long run.
   * @param locks takes the mark that the store is in use
   * @returns false if the run was stopped meanwhile
   */
  async prepareStore(locks: DisposableStack): Promise<Result<boolean>> {
    const { plan, store, options } = this;
    for (const diagnostic of findSharedOutputs(plan, store)) options.emit({ type: "warning", diagnostic });
    const closed = findClosedStore(plan, store);
    const prepared = closed === undefined ? store.prepare() : refuse<void>([closed]);
    if (!prepared.ok) return prepared;
    const agreed = await this.#askToAgree();
    const refused = agreed.length > 0 ? agreed : await this.#fetchAhead();
    if (refused.length > 0 && !this.#isStopped) return refuse(refused);
    const marked = await lockStore(store, options, (...how) => store.guards.markInUse(...how));
    if (!marked.ok) return marked;
    locks.use(marked.value);
    return succeed(!this.#isStopped);
  }

  async #askToAgree(): Promise<readonly Diagnostic[]> {
    const { agree, emit, stop = new AbortController().signal } = this.options;
    if (agree === undefined) return [];
    const say = (message: string) => emit({ type: "note", message });
    return await agree(await estimateRun(this.plan, this.store, { capacity: capacityOf(this.options), say, stop }));
  }

  /** Fetches the files that later stages need, so that no run of hours ends where one of them cannot be had. */
  async #fetchAhead(): Promise<readonly Diagnostic[]> {
    const { plan, store: { paths: { downloads } }, options: { emit, executor, keepGoing, stop } } = this;
    const later = [...plan.stages.values()].filter((one) => {
      return RUNNING_STATES.has(one.state) && predecessorsOf(one.stage).length > 0;
    });
    const problems: Diagnostic[] = [];
    // Jobs of a cluster fetch on their nodes, which may reach other addresses.
    const files = (executor === undefined ? later : []).flatMap(({ id, stage }) =>
      (stage.kind.downloads?.(stage.params) ?? []).map((file) => ({ id, file }))
    );
    for (const own of Map.groupBy(files, ({ file }) => JSON.stringify(file)).values()) {
      const [{ id, file }, ...others] = own as [typeof files[number]];
      if (file.urls.length === 0 || isThere(join(downloads, file.sha256)) || stop?.aborted) continue;
      const readers = others.length === 0 ? `${id} needs` : `${id} and ${countOf(others.length, "other stage")} need`;
      emit({ type: "note", message: `fetching ${file.urls[0]!.split("/").at(-1)}, which ${readers}` });
      makeFolder(downloads);
      const warn = (message: string) => emit({ type: "note", message });
      const got = await download(file, downloads, {
        stop: stop ?? new AbortController().signal,
        report: () => {},
        warn,
      });
      if (typeof got === "string" || got.status !== "failed" || keepGoing === true) continue;
      const fix = `${got.fix}; -k (--keep-going) runs the other stages`;
      problems.push(errorOf("machine", `stage "${id}": ${got.message}`, fix));
    }
    return problems;
  }

  /** Runs the stages that have no result, and sends results that are still to be sent. */
  async execute(): Promise<RunSummary> {
    const { plan, planner, store, options: { cache, emit, executor, grants } } = this;
    cache?.resumeUploads(store);
    grants.keep();
    let ended: readonly [RunStatus, string?] = [executor?.ended?.size ? "failed" : "done"];
    if (!this.isComplete) {
      const scheduler = new Scheduler(store, planner, plan, this.#results, this.options);
      scheduler.begin();
      // Everything that the run relies on is on record now, so `gc` may remove the rest.
      this.begun.still[Symbol.dispose]();
      ended = await scheduler.run();
    }
    if (cache !== undefined) await finishSending(cache, emit);
    return this.finish(...ended);
  }

  /**
   * Reports the end of the run.
   * @param runId undefined if no run was begun
   * @returns a summary, with `now`: the state of all stages of the pipeline at the end of the run
   */
  finish(status: RunStatus, runId?: string) {
    const { plan, planner: { given }, store, options: { emit, executor } } = this;
    const { pipeline } = plan;
    const actions = this.#results;
    if (runId === undefined) markBlocked(plan, actions);
    const ends = [...actions].map(([id, { state }]) => [id, state] as const);
    const stages = new Map([...actions].filter(([id]) => plan.stages.has(id)));
    const counts = countEnds([...ends, ...executor?.ended ?? []], plan);
    const now = planWithoutDevices(pipeline, store, given);
    const isBegun = status !== "interrupted" || runId !== undefined;
    const earlier = isBegun && now.ok ? findStaleOutputs({ pipeline, stages: now.value }, store) : [];
    const durationMs = performance.now() - this.begun.started;
    emit({ type: "run-finished", pipeline: pipeline.name, status, counts, durationMs, runId, earlier });
    return { status, runId, plan, actions, stages, counts, now };
  }
}

/** Takes a lock of the whole store, or returns why that cannot be done. */
async function lockStore<T>(
  store: Store,
  { stop, emit }: RunOptions,
  take: (stop: AbortSignal | undefined, onWait: (holder: string) => void) => Promise<T>,
): Promise<Result<T>> {
  try {
    return succeed(await take(stop, (holder) => emit?.({ type: "note", message: waitingForStore(holder) })));
  } catch (error) {
    // A full or failing disk is not the folder's fault; the command line reports it in its own words.
    if (!isIoError(error) || isMachineError(error)) throw error;
    const message = `Cannot lock the store at ${store.root}: ${(error as Error).message}`;
    return refuse([errorOf("file-unreadable", message, "repair its folder or give --store")]);
  }
}

/** Waits for results that are still to be sent: stages never wait for that. Ctrl-C ends the wait. */
async function finishSending(cache: SharedCache, emit: Emit): Promise<void> {
  const { waiting } = cache.uploads;
  const results = (count: number) => `${count} ${count === 1 ? "result" : "results"}`;
  if (waiting > 0) emit({ type: "note", message: `sending ${results(waiting)} to the shared cache` });
  const { sent, failed: left } = await cache.uploads.finish();
  const counts = [sent > 0 ? `${results(sent)} sent` : "", left > 0 ? `${results(left)} not sent` : ""];
  const said = counts.filter(Boolean).join(", ");
  if (said !== "") emit({ type: "note", message: `${said} to the shared cache` });
}

/** @param ends how actions ended, by id */
export function countEnds(ends: Iterable<readonly [string, StageEndState]>, { actions, stages }: Plan) {
  const counts = { ...NO_ENDS };
  // An action that makes no result of a stage is counted only if it failed or was interrupted.
  for (const [id, state] of ends) {
    if (stages.has(id) || !actions.has(id) || state === "failed" || state === "interrupted") counts[state]++;
  }
  return counts;
}
