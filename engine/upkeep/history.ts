import type { RunRecord } from "../../schemas/records.ts";
import type { Store } from "../store/store.ts";
import { type RunState, runState } from "../store/processes.ts";

/** A run as the history shows it. */
export interface PastRun {
  readonly record: RunRecord;
  /** What became of it; `killed` where it ended without recording a result. */
  readonly state: RunState;
  /** Undefined for a run that was killed: nobody knows when. */
  readonly durationMs: number | undefined;
  /** Stages by how they ended in it. What a run that is on, or was killed, has done is known from its notes. */
  readonly counts: Readonly<Record<string, number>>;
}

/** Runs, newest first. */
export function* pastRuns(store: Store, nowMs: number = Date.now()): Generator<PastRun> {
  for (const record of store.runs.newestFirst()) yield describeRun(store, record, nowMs);
}

export function describeRun(store: Store, record: RunRecord, nowMs: number = Date.now()): PastRun {
  const state = runState(record);
  const started = Date.parse(record.startedAt);
  const ended = record.endedAt === null ? undefined : Date.parse(record.endedAt);
  const durationMs = ended !== undefined ? ended - started : state === "running" ? nowMs - started : undefined;
  const counts: Record<string, number> = {};
  for (const end of Object.values(endsOf(store, record))) counts[end] = (counts[end] ?? 0) + 1;
  return { record, state, durationMs, counts };
}

/** How each stage of a run ended, or `running`, by stage. */
export function endsOf(store: Store, record: RunRecord): Record<string, string> {
  const ends: Record<string, string> = {};
  for (const [id, { state }] of Object.entries(record.stages)) ends[id] = state;
  if (record.status !== "running") return ends;
  const killed = runState(record) === "killed";
  for (const { stage, event, state } of store.runs.notes(record.runId)) {
    ends[stage] = event === "finished" ? state : killed ? "killed" : "running";
  }
  return ends;
}
