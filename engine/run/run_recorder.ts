import { hostname } from "node:os";
import { resolve } from "node:path";
import type { ResultManifest, RunNote, RunRecord, UsedLine } from "../../schemas/records.ts";
import { definedOnly } from "../../std/defined_only.ts";
import type { Action } from "../keys/action.ts";
import { sourcesOf } from "../keys/externals.ts";
import type { Plan, PlannedAction } from "../plan/plan.ts";
import { planRecordOf } from "../plan/plan_record.ts";
import { readTail } from "../store/reading.ts";
import { newRunId } from "../store/run_ids.ts";
import type { RunStore } from "../store/runs.ts";
import type { RunStatus } from "./events.ts";
import type { StageResult } from "./stage_result.ts";

/** Holds more of a log than messages quote. */
const TAIL_BYTES = 32 << 10;

/**
 * Writes the records of one run: the results that it relies on, how each stage began and ended, and how the run ended.
 * Records are by stage; shards are recorded apart from the stages.
 */
export class RunRecorder {
  readonly runId: string;
  readonly #record: RunRecord;

  constructor(
    private readonly plan: Plan,
    private readonly runs: RunStore,
    versions: Readonly<Record<string, string>> | undefined,
  ) {
    const { pipeline } = plan;
    const now = new Date();
    this.runId = newRunId(now, Deno.pid);
    this.#record = {
      format: 1,
      runId: this.runId,
      pipeline: pipeline.name,
      file: resolve(pipeline.file),
      ...definedOnly({ question: pipeline.question }),
      overrides: [...pipeline.profiles.map((name) => `--profile ${name}`), ...pipeline.overrides],
      status: "running",
      startedAt: now.toISOString(),
      endedAt: null,
      pid: Deno.pid,
      host: hostname(),
      versions: { ...versions },
      stages: {},
    };
  }

  /** Records that the run has begun, and the results that it already relies on. */
  begin(): void {
    this.runs.start(this.#record, planRecordOf(this.plan));
    const found = this.plan.actions.values().filter(({ manifest }) => manifest !== undefined);
    this.relyOn(found.map((planned) => [planned, planned.manifest!]));
  }

  /** Records that the run relies on the results of actions, which `gc` then keeps. */
  relyOn(results: Iterable<readonly [Action, ResultManifest]>): void {
    const used: Partial<UsedLine> & Pick<UsedLine, "results"> = { results: {} };
    for (const [{ id, stage, share }, { resolvedKey: result }] of results) {
      if (share === undefined) used.results[id] = result;
      else (used.shards ??= {})[id] = { stage: stage.id, result };
    }
    this.runs.use(this.runId, used);
  }

  started(planned: PlannedAction): void {
    this.#note(planned, { event: "started", state: planned.state });
  }

  #note({ id, share }: Action, note: Omit<RunNote, "stage" | "at">): void {
    const isShard = share && { shard: true as const };
    this.runs.note(this.runId, { stage: id, ...isShard, ...note, at: new Date().toISOString() });
  }

  /**
   * Records how an action ended.
   * @param ownMs how long that took @returns how long the stage took, with its shards
   */
  ended(action: Action, result: StageResult, ownMs: number): number {
    const { id, stage, share, joins } = action;
    const { state, manifest, device } = result;
    const shards = joins.map((one) => this.#record.shards?.[one]);
    const durationMs = shards.reduce((sum, one) => sum + (one?.state === "ran" ? one.durationMs : 0), ownMs);
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
    (share === undefined ? this.#record.stages : this.#record.shards ??= {})[id] = { ...record, ...sources };
    this.#note(action, { event: "finished", state, record });
    // The last line of the log says why the stage ended, even if the stage itself said nothing.
    if (state === "failed") {
      const { message = "no reason was given" } = result;
      const [why, ...said] = message.split("\n");
      // A message quotes what a process said last, which is in the log already.
      const isThere = readTail(this.runs.logPath(this.runId, id), TAIL_BYTES)?.includes(said.join("\n"));
      this.runs.log(this.runId, id, `failed: ${isThere ? why : message}`);
    }
    return durationMs;
  }

  /** Records the end of the run. */
  end(status: RunStatus): void {
    this.#record.status = status;
    this.#record.endedAt = new Date().toISOString();
    this.runs.write(this.#record);
  }
}

/** Returns the results that a run still needs: those of shards only until the run has joined them. */
export function neededResults({ results, shards }: UsedLine, isRunning: boolean): Set<string> {
  const open = Object.values(shards).filter(({ stage }) => isRunning || results[stage] === undefined);
  return new Set([...Object.values(results), ...open.map(({ result }) => result)]);
}

/**
 * Yields what a run has recorded of its actions: how each ended, or since when it is at work.
 * @param notes those of a run that has not ended; undefined for one whose record is complete
 */
export function* recordedActions({ stages, shards = {} }: RunRecord, notes: readonly RunNote[] | undefined) {
  for (const { stage: id, shard: isPart = false, event, at, record: end } of notes ?? []) {
    yield { id, isPart, since: event === "started" ? at : undefined, end };
  }
  if (notes !== undefined) return;
  for (const [id, end] of Object.entries({ ...stages, ...shards })) {
    yield { id, isPart: Object.hasOwn(shards, id), since: undefined, end };
  }
}
