import { hostname } from "node:os";
import type { LiveProgress, RunRecord } from "../../schemas/records.ts";
import type { Store } from "./store.ts";
import { isAbandoned, runState } from "./processes.ts";

/** A stage that works at this moment. */
export interface LiveStage {
  readonly id: string;
  readonly run: RunRecord;
  /** When its work began. */
  readonly since: string;
  /** What it told last. */
  readonly progress: LiveProgress | undefined;
  /** Time left by its pace so far; undefined where that is not known. */
  readonly etaMs: number | undefined;
}

export type Runs = Readonly<ReturnType<typeof findRuns>>;

/**
 * Look at the runs of a pipeline while they are on. Takes no lock and writes nothing.
 *
 * A long run may have begun before the last that ended, so it is looked for among all. Of another host's run nothing can
 * be known: it counts as on until a later one has ended, or one that was killed would be on for ever.
 *
 * @returns runs that are on, newest first; stages at work in them, by id; and the newest run that ended
 */
export function findRuns(store: Pick<Store, "runs">, pipeline: string, nowMs: number = Date.now()) {
  const running: RunRecord[] = [];
  let last: RunRecord | undefined;
  for (const id of store.runs.ids()) {
    // Asking for a process is far cheaper than reading a record, of which there may be thousands.
    if (last !== undefined && isAbandoned("run", id)) continue;
    const run = store.runs.read(id);
    if (run?.pipeline !== pipeline) continue;
    if (run.status !== "running") last ??= run;
    else if (runState(run) === "running" && (last === undefined || run.host === hostname())) running.push(run);
  }
  const stages = new Map<string, LiveStage>();
  for (const run of running.toReversed()) {
    const atWork = new Map<string, string>();
    for (const { event, stage, at } of store.runs.notes(run.runId)) {
      if (event === "started") atWork.set(stage, at);
      else atWork.delete(stage);
    }
    for (const [id, since] of atWork) {
      const progress = store.runs.told(run.runId, id);
      stages.set(id, { id, run, since, progress, etaMs: etaLeft(progress, nowMs) });
    }
  }
  return { running, stages, last };
}

/** What was done since the stage told of itself counts too, since it may tell seldom. */
export function etaLeft(progress: LiveProgress | undefined, nowMs: number): number | undefined {
  const left = progress && etaOf(progress);
  return left && Math.max(0, left - Math.max(0, nowMs - Date.parse(progress.at)));
}

/** Milliseconds left by the pace so far; undefined where that is not known, and at the end. */
export function etaOf(
  { done, total, perSecond }: Pick<LiveProgress, "done" | "total" | "perSecond">,
): number | undefined {
  return perSecond === null || done >= total ? undefined : (total - done) / perSecond * 1_000;
}
