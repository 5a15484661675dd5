import { join } from "node:path";
import { definedOnly } from "../../std/defined_only.ts";
import type { RunStatus } from "./events.ts";
import { waitsOf } from "../keys/action.ts";
import type { Plan } from "../plan/plan.ts";
import type { Planner } from "../plan/planner.ts";
import { type Forecast, forecastPlan } from "../plan/forecast.ts";
import { Semaphore } from "../../std/semaphore.ts";
import { statIfThere } from "../store/reading.ts";
import type { Store } from "../store/store.ts";
import { capacityOf, findGpus, Slots } from "./slots.ts";
import type { Executor } from "./executor.ts";
import { LocalExecutor } from "./local_executor.ts";
import { RunRecorder } from "./run_recorder.ts";
import type { RunOptions } from "./run_options.ts";
import type { StageResult } from "./stage_result.ts";
import { StageRunner } from "./stage_runner.ts";

/** The most stages in progress at a time. Stages that wait for a lock hold no slot, but each holds an open file. */
const MAX_IN_FLIGHT = 64;

/** Work that is known to be this short is not claimed: doing it twice costs less than asking who does it. */
const UNCLAIMED_MS = 10_000;

/** Marks all stages without a result as blocked. */
export function markBlocked(plan: Plan, results: Map<string, StageResult>): void {
  for (const id of plan.actions.keys()) if (!results.has(id)) results.set(id, { state: "blocked" });
}

/** Decides which action of a run may start when, and reports how each ended. */
export class Scheduler {
  readonly #recorder: RunRecorder;
  readonly #never = new AbortController().signal;
  #failed = false;
  #failureReported = false;
  #inFlight = 0;

  constructor(
    private readonly store: Store,
    private readonly planner: Planner,
    private readonly plan: Plan,
    private readonly results: Map<string, StageResult>,
    private readonly options: RunOptions & Required<Pick<RunOptions, "emit" | "grants">>,
  ) {
    this.#recorder = new RunRecorder(plan, store.runs, options.versions);
  }

  /** Records that the run has begun, and the results that it already relies on. */
  begin(): void {
    this.#recorder.begin();
  }

  async run(): Promise<[RunStatus, string]> {
    const { plan, planner, store, options } = this;
    const { pipeline } = plan;
    const { emit, stop = this.#never, kill = this.#never, gpus = findGpus(), lockFolder } = options;
    const { runId } = this.#recorder;
    emit({ type: "run-started", runId, plan, outputs: join(store.paths.outputs, pipeline.name) });
    const mayStart = () => !stop.aborted && (!this.#failed || options.keepGoing === true);
    const slots = new Slots({ ...capacityOf({ ...options, gpus }), gpus, lockFolder });
    const given = { replace: false, ...options, pipeline, planner, store, runId, slots, stop, kill };
    const shares = options.cache?.mode === "read-write";
    const forecasts = shares ? forecastPlan(plan, store) : new Map<string, Forecast>();
    const isShort = (one: Forecast | undefined) => one?.known === true && one.durationMs <= UNCLAIMED_MS;
    using here = new LocalExecutor(given);
    const executor: Executor = options.executor ?? here;
    const runner = new StageRunner({
      ...given,
      here,
      executor,
      recorder: this.#recorder,
      isClaimed: (id) => shares && (executor.claimsAll === true || !isShort(forecasts.get(id))),
      mayStart,
      onFailure: () => this.#failed = true,
      onRerun: (id, result, started) => this.#conclude(id, result, started),
    });
    const limit = new Semaphore(MAX_IN_FLIGHT);
    const waits = waitsOf(plan.actions.values());
    const ends = new Map<string, Promise<boolean>>();
    const ensure = (id: string): Promise<boolean> =>
      ends.getOrInsertComputed(id, async () => {
        if (!plan.actions.has(id) || this.results.has(id)) return true;
        const there = await Promise.all(waits.get(id)!.all.map(ensure));
        return there.every(Boolean) && await limit.run(async () => mayStart() && await this.#ensure(id, runner));
      });
    // Each stage comes after those that it waits for.
    const ids = [...plan.actions.keys()];
    options.shuffle?.(ids);
    await Promise.all(ids.map(ensure));
    return this.#end(stop.aborted);
  }

  /** Reaches a stage. @returns true if the stages that wait for it may start */
  async #ensure(id: string, runner: StageRunner): Promise<boolean> {
    const started = performance.now();
    this.#inFlight++;
    const isNeeded = await this.planner.isStillNeeded(id, this.plan);
    const result: StageResult = isNeeded ? await runner.ensure(id) : { state: "cached" };
    if (isNeeded) this.#conclude(id, result, started);
    else this.results.set(id, result);
    this.#inFlight--;
    if (result.state === "failed") {
      // A failure is easily missed while another stage runs for days.
      if (!this.#failureReported && this.options.keepGoing !== true && this.#inFlight > 0) {
        this.options.emit({ type: "note", message: "running stages finish, and no others start" });
      }
      this.#failed = this.#failureReported = true;
    }
    return result.manifest !== undefined || !isNeeded;
  }

  /** Emits and records how a stage ended, even one that was only made again because another stage needed it. */
  #conclude(id: string, result: StageResult, started: number): void {
    this.results.set(id, result);
    const { state, manifest, message, fix, mine, workMs = performance.now() - started } = result;
    const action = this.planner.actionOf(id);
    const durationMs = this.#recorder.ended(action, result, workMs);
    const shown = manifest === undefined ? undefined : action.view;
    const view = shown && this.store.viewsOf(this.plan.pipeline.name).folderOf(shown);
    const path = this.store.runs.logPath(this.#recorder.runId, id);
    // On a full disk there may be no log.
    const log = state === "failed" && statIfThere(path) !== undefined ? path : undefined;
    this.options.emit({
      type: "stage-finished",
      id,
      state,
      durationMs,
      ...definedOnly({ message, fix, mine, view, log }),
    });
  }

  /** Tells of stages that did not start, although they need none that failed. */
  #tellOthers(): void {
    const stateOf = (id: string) => this.results.get(id)?.state;
    const lost = new Set([...this.plan.actions.keys()].filter((id) => stateOf(id) === "failed"));
    for (const [id, { all }] of waitsOf(this.plan.actions.values())) if (all.some((one) => lost.has(one))) lost.add(id);
    const others = [...this.plan.stages.keys()].filter((id) => stateOf(id) === "blocked" && !lost.has(id));
    if (others.length === 0) return;
    const named = others.slice(0, 3).join(", ") + (others.length > 3 ? `, … (${others.length} in all)` : "");
    const message = `not started, although no failed stage is needed: ${named}; -k (--keep-going) runs them`;
    this.options.emit({ type: "note", message });
  }

  #end(stopped: boolean): [RunStatus, string] {
    markBlocked(this.plan, this.results);
    const states = new Set([...this.results.values()].map(({ state }) => state));
    // A stop that came while the last stage ended well has stopped nothing.
    const interrupted = states.has("interrupted") || (stopped && states.has("blocked"));
    const failed = this.#failed || (!interrupted && this.options.executor?.ended?.size);
    const status: RunStatus = failed ? "failed" : interrupted ? "interrupted" : "done";
    if (status === "failed" && !stopped && this.options.keepGoing !== true) this.#tellOthers();
    this.#recorder.end(status);
    return [status, this.#recorder.runId];
  }
}
