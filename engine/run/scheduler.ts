import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { definedOnly } from "../../std/defined_only.ts";
import type { RunRecord } from "../../schemas/records.ts";
import type { Emit, RunOptions, RunStatus } from "./events.ts";
import { sourcesOf } from "../keys/externals.ts";
import { prerequisiteIds, shorterOf } from "../keys/action.ts";
import type { Plan } from "../plan/plan.ts";
import { planRecordOf } from "../plan/plan_record.ts";
import type { Planner } from "../plan/planner.ts";
import { type Forecast, forecastPlan } from "../plan/forecast.ts";
import { Limit } from "../store/limit.ts";
import { statIfThere } from "../store/reading.ts";
import type { Store } from "../store/store.ts";
import { capacityOf, findGpus, Slots } from "./slots.ts";
import { type StageResult, usedLine } from "./stage_result.ts";
import { StageRunner } from "./stage_runner.ts";
import { newRunId } from "../store/processes.ts";
import type { Grants } from "../process/rights.ts";

/** The most stages in progress at a time. Stages that wait for a lock hold no slot, but each holds an open file. */
const MAX_IN_FLIGHT = 64;

/** Shorter work is not claimed: doing it twice is faster than waiting for another machine. */
const CLAIMED_MS = 60_000;

/** Marks all stages without a result as blocked. */
export function markBlocked(plan: Plan, results: Map<string, StageResult>): void {
  for (const id of plan.actions.keys()) if (!results.has(id)) results.set(id, { state: "blocked" });
}

/** One run: decides which stage may start when, and records how each ended. */
export class Scheduler {
  readonly #runId: string;
  readonly #record: RunRecord;
  readonly #never = new AbortController().signal;
  #failed = false;
  #told = false;
  #inFlight = 0;

  constructor(
    private readonly store: Store,
    private readonly planner: Planner,
    private readonly plan: Plan,
    private readonly results: Map<string, StageResult>,
    private readonly options: RunOptions & { readonly grants: Grants },
    private readonly emit: Emit,
  ) {
    const { pipeline } = plan;
    const now = new Date();
    this.#runId = newRunId(now, Deno.pid);
    this.#record = {
      format: 1,
      runId: this.#runId,
      pipeline: pipeline.name,
      file: resolve(pipeline.file),
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

  /** Records that the run has begun, and the results that it already relies on. */
  begin(): void {
    this.store.runs.start(this.#record, planRecordOf(this.plan));
    this.store.runs.use(this.#runId, usedLine(this.plan.actions.values().filter((one) => one.manifest !== undefined)));
  }

  async run(): Promise<[RunStatus, string]> {
    const { plan, planner, store, emit, options } = this;
    const { pipeline } = plan;
    const { stop = this.#never, kill = this.#never, gpus = findGpus(), lockFolder } = options;
    emit({ type: "run-started", runId: this.#runId, plan, outputs: join(store.paths.outputs, pipeline.name) });
    const mayStart = () => !stop.aborted && (!this.#failed || options.keepGoing === true);
    const slots = new Slots({ ...capacityOf({ ...options, gpus }), gpus, lockFolder });
    const given = { replace: false, ...options, pipeline, planner, store, runId: this.#runId, slots, emit, stop, kill };
    const shares = options.cache?.mode === "read-write";
    const forecasts = shares ? forecastPlan(plan, store) : new Map<string, Forecast>();
    const isLong = (one: Forecast | undefined) => one?.known === true && one.durationMs > CLAIMED_MS;
    const runner = new StageRunner({
      ...given,
      isClaimed: (id) => shares && (options.claimsAll === true || isLong(forecasts.get(id))),
      mayStart,
      onFailure: () => this.#failed = true,
      onNested: (id, result, started) => this.#conclude(id, result, started),
    });
    const limit = new Limit(MAX_IN_FLIGHT);
    const shorter = shorterOf(plan.actions.values());
    const ends = new Map<string, Promise<boolean>>();
    const reach = (id: string): Promise<boolean> =>
      ends.getOrInsertComputed(id, async () => {
        const planned = plan.actions.get(id);
        if (planned === undefined || this.results.has(id)) return true;
        // The stages that it reads or needs, and the shorter run that it continues.
        const before = [...prerequisiteIds(planned), shorter.get(id)].filter((one) => one !== undefined);
        const there = await Promise.all(before.map(reach));
        return there.every(Boolean) && await limit.run(async () => mayStart() && await this.#reach(id, runner));
      });
    // Each stage comes after those that it waits for.
    const ids = [...plan.actions.keys()];
    options.shuffle?.(ids);
    await Promise.all(ids.map(reach));
    runner.scratch.close();
    return this.#end(stop.aborted);
  }

  /** Reaches a stage. @returns true if the stages that wait for it may start */
  async #reach(id: string, runner: StageRunner): Promise<boolean> {
    const started = performance.now();
    this.#inFlight++;
    const { shard, stage } = this.plan.actions.get(id)!;
    const isPart = shard !== undefined && this.plan.stages.has(stage.id);
    const isNeeded = !isPart || (await this.planner.planShared(stage.id)).manifest === undefined;
    const result: StageResult = isNeeded ? await runner.reach(id) : { state: "cached" };
    if (isNeeded) this.#conclude(id, result, started);
    else this.results.set(id, result);
    this.#inFlight--;
    if (result.state === "failed") {
      // A failure is easily missed while another stage runs for days.
      if (!this.#told && this.options.keepGoing !== true && this.#inFlight > 0) {
        this.emit({ type: "note", message: "running stages finish, and no others start" });
      }
      this.#failed = this.#told = true;
    }
    return result.manifest !== undefined || !isNeeded;
  }

  /** Emits and records how a stage ended, even one that was only made again because another stage needed it. */
  #conclude(id: string, result: StageResult, started: number): void {
    this.results.set(id, result);
    const { state, manifest, device } = result;
    // The work of its shards counts as its own.
    const { stage, shard, parts = [] } = this.planner.actionOf(id);
    const shards = parts.map((one) => this.#record.shards?.[one]);
    const partsMs = shards.reduce((sum, one) => sum + (one?.state === "ran" ? one.durationMs : 0), 0);
    const ownMs = result.workMs ?? performance.now() - started;
    const durationMs = partsMs + ownMs;
    const record = {
      state,
      resolvedKey: manifest?.resolvedKey ?? null,
      startedAt: new Date(Date.now() - ownMs).toISOString(),
      durationMs,
      perSecond: { ...result.perSecond },
      figures: { ...result.figures },
      fromStep: result.fromStep ?? null,
      numerics: device?.numerics ?? manifest?.numerics ?? null,
      device: device === undefined ? null : { name: device.name, reason: device.reason },
      message: result.message ?? null,
      ...definedOnly({ fix: result.fix }),
    };
    const sources = state === "ran" ? sourcesOf(stage, this.plan.pipeline.folder, manifest!.ingredients.externals) : {};
    (shard === undefined ? this.#record.stages : this.#record.shards ??= {})[id] = { ...record, ...sources };
    const at = new Date().toISOString();
    const note = { stage: id, ...shard && { shard: true as const }, event: "finished" as const, state, at, record };
    this.store.runs.note(this.#runId, note);
    const { message, fix, mine } = result;
    const shown = manifest !== undefined && shard === undefined;
    const view = shown ? this.store.viewsOf(this.plan.pipeline.name).folderOf(id) : undefined;
    // The last line of the log says why the stage ended, even if the stage itself said nothing.
    if (state === "failed") this.store.runs.log(this.#runId, id, `failed: ${message ?? "no reason was given"}`);
    const path = this.store.runs.logPath(this.#runId, id);
    // On a full disk there may be no log.
    const log = state === "failed" && statIfThere(path) !== undefined ? path : undefined;
    this.emit({ type: "stage-finished", id, state, durationMs, ...definedOnly({ message, fix, mine, view, log }) });
  }

  #end(stopped: boolean): [RunStatus, string] {
    markBlocked(this.plan, this.results);
    const states = new Set([...this.results.values()].map(({ state }) => state));
    // A stop that came while the last stage ended well has stopped nothing.
    const interrupted = states.has("interrupted") || (stopped && states.has("blocked"));
    const status: RunStatus = this.#failed
      ? "failed"
      : interrupted
      ? "interrupted"
      : this.options.endedElsewhere?.size
      ? "failed"
      : "done";
    this.#record.status = status;
    this.#record.endedAt = new Date().toISOString();
    this.store.runs.write(this.#record);
    return [status, this.#runId];
  }
}
