import type { FigureSummary, PlanRecord } from "../../schemas/records.ts";
import type { RunState } from "../store/processes.ts";
import type { RunStore } from "../store/runs.ts";

/** A stage of a run, as it is now. */
export interface StageNow {
  readonly id: string;
  readonly kind: string;
  /** `run`, `cached` … as planned, `running`, or how it ended; `killed` where it was at work in a run that was. */
  readonly state: string;
  readonly reads: readonly string[];
  /** When its work began and how long it took so far, in milliseconds since the epoch and as a duration. */
  readonly startedMs?: number | undefined;
  readonly durationMs?: number | undefined;
  readonly progress?: { readonly done: number; readonly total: number; readonly unit: string } | undefined;
  readonly etaMs?: number | undefined;
  readonly perSecond?: number | undefined;
  readonly message?: string | undefined;
  readonly numerics?: string | undefined;
  /** Resolved key of its result. */
  readonly result?: string | undefined;
  readonly figures: Readonly<Record<string, FigureSummary>>;
  readonly params: PlanRecord["stages"][number]["params"];
  /** Steps of which there is a preview, rising. */
  readonly previews: readonly number[];
}

/** A run, as it is now. What texts hold is of unknown origin. */
export interface RunNow {
  readonly runId: string;
  readonly pipeline: string;
  readonly file: string;
  readonly state: RunState;
  readonly startedMs: number;
  /** Undefined also of one that was killed: nobody knows when. */
  readonly endedMs?: number | undefined;
  readonly host: string;
  readonly overrides: readonly string[];
  readonly tags: readonly string[];
  /** The cluster whose jobs compute it. */
  readonly cluster?: string | undefined;
  /** In the order in which they depend on one another; of a run of noiseline 0.2 or before those alone that ran. */
  readonly stages: readonly StageNow[];
}

/** Where the files of a stage lie: in the run that computed it. */
export interface StagePlace {
  readonly runs: RunStore;
  readonly runId: string;
  readonly stage: string;
}
