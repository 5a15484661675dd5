import { hostname } from "node:os";
import { dirname, join } from "node:path";
import type { ResultManifest, RunRecord, Sources, StageRunRecord } from "../../schemas/records.ts";
import type { SharedCache } from "../cache/shared_cache.ts";
import { refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import type { Emit, RunStatus, StageEndState, StageFinished } from "../event/events.ts";
import { sourcesOf } from "../fingerprint/sources.ts";
import { familyOf, type Pipeline, predecessorsOf, type Stage } from "../pipeline.ts";
import type { Plan } from "../plan/plan.ts";
import { Planner } from "../plan/planner.ts";
import { ignoreTrouble, isEnvironmental, isThere, makeFolder } from "../store/files.ts";
import { newRunId } from "../store/runs.ts";
import type { Store } from "../store/store.ts";
import { findGpus, Slots } from "./slots.ts";
import type { StageResult } from "./stage_result.ts";
import { StageRunner } from "./stage_runner.ts";

export interface RunOptions {
  readonly targets?: readonly string[];
  readonly force?: ReadonlySet<string>;
  readonly replace?: boolean;
  readonly jobs?: number;
  readonly keepGoing?: boolean;
  readonly gpus?: readonly string[];
  readonly emit?: Emit;
  /** First request to stop: stages save and end. */
  readonly stop?: AbortSignal;
  /** Second request: processes are killed. */
  readonly kill?: AbortSignal;
  /** Versions to record. */
  readonly versions?: Readonly<Record<string, string>>;
  /** Shuffles the order among stages that could start; the result must not depend on it. */
  readonly shuffle?: (ids: string[]) => void;
  /** A second store that other machines share: read where the local one has nothing, and given what is made. */
  readonly cache?: SharedCache | undefined;
}

export interface RunSummary {
  readonly status: RunStatus;
  readonly runId: string | undefined;
  readonly plan: Plan;
  readonly stages: ReadonlyMap<string, StageResult>;
  readonly counts: Readonly<Record<StageEndState, number>>;
}

/** Stages that wait for a lock hold no slot, but each holds an open file. */
const MAX_IN_FLIGHT = 64;

/** Reach the declared state of a pipeline. Stages that are cached are not touched; the rest runs in dependency order. */
export async function runPipeline(
  pipeline: Pipeline,
  store: Store,
  options: RunOptions = {},
): Promise<Result<RunSummary>> {
  const emit = options.emit ?? (() => {});
  const onWait = (holder: string) => emit({ type: "note", message: `waiting for gc in ${holder}` });
  using still = new DisposableStack();
  const hold = async () => void still.use(await store.guards.holdStill(options.stop, onWait));
  const locked = await lockStore(store, hold);
  if (!locked.ok) return refuse(locked.diagnostics);
  // What this process knows of the store may be older than the last `gc`.
  store.results.forget();
  bringBackCache(store);
  const made = Planner.make(pipeline, store, options);
  if (!made.ok) return refuse(made.diagnostics);
  const planner = made.value;
  const started = performance.now();
  const plan = await planner.plan();
  if (plan.problems.length > 0) return refuse(plan.problems);
  const results = new Map<string, StageResult>();
  for (const [id, { state, manifest }] of plan.stages) {
    if (state === "cached") results.set(id, { state: "cached", manifest: manifest! });
  }
  const finish = (status: RunStatus, runId: string | undefined): Result<RunSummary> => {
    const counts = count(results);
    emit({
      type: "run-finished",
      pipeline: pipeline.name,
      status,
      counts,
      durationMs: performance.now() - started,
      runId,
    });
    return succeed({ status, runId, plan, stages: results, counts });
  };
  const isStopped = () => options.stop?.aborted === true;
  const finishEarly = () => {
    block(plan, results);
    return finish("interrupted", undefined);
  };
  // Ctrl-C while `gc` had the store to itself: the plan was made without its lock.
  if (isStopped()) return finishEarly();
  options.cache?.catchUp(store);
  if (results.size === plan.stages.size) {
    if (options.cache !== undefined) await finishSending(options.cache, emit);
    return finish("done", undefined);
  }

  const prepared = store.prepare();
  if (!prepared.ok) return refuse(prepared.diagnostics);
  using inUse = new DisposableStack();
  const mark = async () => void inUse.use(await store.guards.markInUse(options.stop, onWait));
  const marked = await lockStore(store, mark);
  if (!marked.ok) return refuse(marked.diagnostics);
  if (isStopped()) return finishEarly();
  const scheduler = new Scheduler(pipeline, store, planner, plan, results, options, emit);
  scheduler.begin();
  // What the run relies on is on record now, so `gc` may go about the rest.
  still.dispose();
  const ended = await scheduler.run();
  if (options.cache !== undefined) await finishSending(options.cache, emit);
  return finish(...ended);
}

/** A cache folder that was removed comes back with the next run, also with one that has nothing to do. */
function bringBackCache({ root, paths: { cache } }: Store): void {
  if (isThere(root) && !isThere(cache)) ignoreTrouble(() => makeFolder(cache));
}

/** Take a lock of the whole store, or say why that cannot be. */
async function lockStore(store: Store, take: () => Promise<void>): Promise<Result<void>> {
  try {
    return succeed(await take());
  } catch (error) {
    if (!isEnvironmental(error)) throw error;
    const message = `Cannot lock the store at ${store.root}: ${(error as Error).message}`;
    return refuse([{ severity: "error", code: "file-unreadable", message, fix: "mend its folder or give --store" }]);
  }
}

/** Stages never wait for a result to be sent, so some may be left. Ctrl-C ends the wait. */
async function finishSending(cache: SharedCache, emit: Emit): Promise<void> {
  const { waiting } = cache;
  const results = (count: number) => `${count} ${count === 1 ? "result" : "results"}`;
  if (waiting > 0) emit({ type: "note", message: `sending ${results(waiting)} to the shared cache` });
  const { sent, failed: left } = await cache.finish();
  const counts = [sent > 0 ? `${results(sent)} sent` : "", left > 0 ? `${results(left)} not sent` : ""];
  const said = counts.filter(Boolean).join(", ");
  if (said !== "") emit({ type: "note", message: `${said} to the shared cache` });
}

/** Stages that nothing was done about. */
function block(plan: Plan, results: Map<string, StageResult>): void {
  for (const id of plan.stages.keys()) if (!results.has(id)) results.set(id, { state: "blocked" });
}

function count(results: ReadonlyMap<string, StageResult>): Record<StageEndState, number> {
  const counts = { cached: 0, restored: 0, ran: 0, failed: 0, interrupted: 0, blocked: 0 };
  for (const { state } of results.values()) counts[state]++;
  return counts;
}

class Scheduler {
  readonly #pipeline: Pipeline;
  readonly #store: Store;
  readonly #planner: Planner;
  readonly #plan: Plan;
  readonly #results: Map<string, StageResult>;
  readonly #options: RunOptions;
  readonly #emit: Emit;
  readonly #runId: string;
  readonly #record: RunRecord;
  readonly #never = new AbortController().signal;
  /** Stages that still wait for others: how many. */
  readonly #missing = new Map<string, number>();
  readonly #successors = new Map<string, string[]>();
  #ready: string[] = [];
  #failed = false;

  constructor(
    pipeline: Pipeline,
    store: Store,
    planner: Planner,
    plan: Plan,
    results: Map<string, StageResult>,
    options: RunOptions,
    emit: Emit,
  ) {
    this.#pipeline = pipeline;
    this.#store = store;
    this.#planner = planner;
    this.#plan = plan;
    this.#results = results;
    this.#options = options;
    this.#emit = emit;
    const now = new Date();
    this.#runId = newRunId(now, Deno.pid);
    this.#record = {
      format: 1,
      runId: this.#runId,
      pipeline: pipeline.name,
      file: pipeline.file,
      overrides: [...pipeline.profiles.map((name) => `--profile ${name}`), ...pipeline.overrides],
      status: "running",
      startedAt: now.toISOString(),
      endedAt: null,
      pid: Deno.pid,
      host: hostname(),
      versions: { ...options.versions },
      stages: {},
    };
  }

  /** Put on record that the run is on and what it relies on already. */
  begin(): void {
    this.#store.runs.start(this.#record);
    const results: Record<string, string> = {};
    for (const [id, { manifest }] of this.#plan.stages) if (manifest !== undefined) results[id] = manifest.resolvedKey;
    this.#store.runs.use(this.#runId, { results });
  }

  async run(): Promise<[RunStatus, string]> {
    const { stop = this.#never, kill = this.#never, jobs, gpus } = this.#options;
    const outputs = join(dirname(this.#store.root), "outputs", this.#pipeline.name);
    this.#emit({ type: "run-started", runId: this.#runId, plan: this.#plan, outputs });
    const mayStart = () => !stop.aborted && (!this.#failed || this.#options.keepGoing === true);
    const cpus = navigator.hardwareConcurrency;
    const slots = new Slots({ jobs: jobs ?? cpus, cpus, gpus: gpus ?? findGpus() });
    const runner = new StageRunner({
      pipeline: this.#pipeline,
      planner: this.#planner,
      store: this.#store,
      runId: this.#runId,
      slots,
      emit: this.#emit,
      stop,
      kill,
      mayStart,
      onFailure: () => this.#failed = true,
      onNested: (id, result, begun) => this.#conclude(id, result, begun),
      replace: this.#options.replace ?? false,
      cache: this.#options.cache,
    });
    this.#countMissing();

    const inFlight = new Set<Promise<void>>();
    while (true) {
      this.#options.shuffle?.(this.#ready);
      while (this.#ready.length > 0 && mayStart() && inFlight.size < MAX_IN_FLIGHT) {
        const id = this.#ready.shift()!;
        const task = this.#reach(id, runner).finally(() => inFlight.delete(task));
        inFlight.add(task);
      }
      if (inFlight.size === 0) break;
      await Promise.race(inFlight);
    }
    runner.close();
    return this.#end(stop.aborted);
  }

  #countMissing(): void {
    const families = Map.groupBy(
      [...this.#pipeline.stages.values()].filter((stage) => stage.extent !== undefined),
      familyOf,
    );
    for (const id of this.#plan.stages.keys()) {
      if (this.#results.has(id)) continue;
      // As it is declared: what a selection made of a stage waits for less than what it might have made.
      const stage = this.#pipeline.stages.get(id)!;
      const before = new Set(this.#predecessors(stage, families).filter((one) => this.#plan.stages.has(one)));
      const open = [...before].filter((one) => !this.#results.has(one));
      this.#missing.set(id, open.length);
      for (const one of open) {
        const after = this.#successors.get(one);
        if (after === undefined) this.#successors.set(one, [id]);
        else after.push(id);
      }
      if (open.length === 0) this.#ready.push(id);
    }
  }

  /** What a stage reads or needs, and the shorter runs that it continues. */
  #predecessors(stage: Stage, families: ReadonlyMap<string, readonly Stage[]>): string[] {
    const family = families.get(familyOf(stage)) ?? [];
    return [
      ...predecessorsOf(stage),
      ...family.filter((other) => other.extent! < stage.extent!).map((other) => other.id),
    ];
  }

  async #reach(id: string, runner: StageRunner): Promise<void> {
    const startedAt = new Date().toISOString();
    const started = performance.now();
    const result = await runner.reach(id);
    this.#conclude(id, result, { startedAt, started });
    if (result.manifest !== undefined) {
      for (const next of this.#successors.get(id) ?? []) {
        const left = this.#missing.get(next)! - 1;
        this.#missing.set(next, left);
        if (left === 0) this.#ready.push(next);
      }
    } else if (result.state === "failed") {
      this.#failed = true;
    }
  }

  /** Say and record how a stage ended, also one that was only made again because another one needed it. */
  #conclude(
    id: string,
    result: StageResult,
    { startedAt, started }: { readonly startedAt: string; readonly started: number },
  ): void {
    this.#results.set(id, result);
    const durationMs = result.workMs ?? performance.now() - started;
    this.#keepRecord(id, result, startedAt, durationMs);
    this.#store.runs.note(this.#runId, {
      stage: id,
      event: "finished",
      state: result.state,
      at: new Date().toISOString(),
    });
    this.#emit(this.#finished(id, result, durationMs));
  }

  #keepRecord(id: string, result: StageResult, startedAt: string, durationMs: number): void {
    const record: StageRunRecord = {
      state: result.state,
      resolvedKey: result.manifest?.resolvedKey ?? null,
      startedAt,
      durationMs,
      perSecond: { ...result.perSecond },
      fromStep: result.fromStep ?? null,
      numerics: result.device?.numerics ?? result.manifest?.numerics ?? null,
      device: result.device === undefined ? null : { name: result.device.name, reason: result.device.reason },
      message: result.message ?? null,
      ...(result.state === "ran" ? this.#sourcesOf(id, result.manifest!) : {}),
    };
    this.#record.stages[id] = record;
  }

  /** Most stages have none, and records of thousands of stages need not say so of each. */
  #sourcesOf(id: string, { ingredients }: ResultManifest): { sources?: Sources } {
    const sources = sourcesOf(this.#planner.planStage(id, false).stage, this.#pipeline.folder, ingredients.externals);
    return [sources.externals, sources.modules].some((one) => Object.keys(one).length > 0) ? { sources } : {};
  }

  #finished(id: string, result: StageResult, durationMs: number): StageFinished {
    const { state, message, fix, mine, manifest } = result;
    const view = this.#store.viewsOf(this.#pipeline.name).folderOf(id);
    return {
      type: "stage-finished",
      id,
      state,
      durationMs,
      ...(message === undefined ? {} : { message }),
      ...(fix === undefined ? {} : { fix }),
      ...(mine === undefined ? {} : { mine }),
      ...(manifest === undefined ? {} : { view }),
      ...(state === "failed" ? { log: this.#store.runs.logPath(this.#runId, id) } : {}),
    };
  }

  #end(stopped: boolean): [RunStatus, string] {
    block(this.#plan, this.#results);
    const states = new Set([...this.#results.values()].map(({ state }) => state));
    // A stop that came while the last stage ended well has stopped nothing.
    const interrupted = states.has("interrupted") || (stopped && states.has("blocked"));
    const status: RunStatus = this.#failed ? "failed" : interrupted ? "interrupted" : "done";
    this.#record.status = status;
    this.#record.endedAt = new Date().toISOString();
    this.#store.runs.write(this.#record);
    return [status, this.#runId];
  }
}
