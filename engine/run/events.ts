import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import type { Plan, PlannedAction } from "../plan/plan.ts";
import type { ProgressUpdate } from "../contract/stage.ts";

/**
 * How a stage ended in a run. `cached`: its result was there and shown; `restored`: its result was there, or in the
 * shared cache, and is shown now; `ran`: it was computed; `interrupted`: its work had begun when the run was stopped;
 * `blocked`: its work had not begun, because the run was stopped or what it needs has no result.
 */
export type StageEndState = "cached" | "restored" | "ran" | "failed" | "interrupted" | "blocked";

/** The number of stages that ended in each way, before any has. */
export const NO_ENDS = { cached: 0, restored: 0, ran: 0, failed: 0, interrupted: 0, blocked: 0 };

/** How a run ended: `failed` if any stage failed, else `interrupted` if the run was stopped before its end. */
export type RunStatus = "done" | "failed" | "interrupted";

/** The reason why a stage failed, and what to do. */
export type StageProblem = Pick<Diagnostic, "message" | "fix">;

export interface StageFinished extends Partial<Readonly<Record<"message" | "fix" | "log", string>>> {
  readonly type: "stage-finished";
  readonly id: string;
  readonly state: StageEndState;
  readonly durationMs: number;
  /** True if the stage failed because somebody cancelled its job. */
  readonly cancelled?: true;
  /** The folder of the user's view, if there is a result. */
  readonly view?: string;
  /** The path to which the user's own changes to an old view were moved. */
  readonly mine?: string;
}

export interface RunFinished {
  readonly type: "run-finished";
  readonly pipeline: string;
  readonly status: RunStatus;
  readonly counts: Readonly<Record<StageEndState, number>>;
  readonly durationMs: number;
  /** Undefined if there was nothing to do, or nothing was begun, so that no run was recorded. */
  readonly runId: string | undefined;
  /** Stages whose folder in `outputs/` shows a result of another configuration. */
  readonly earlier: readonly string[];
}

/** Everything that happens in a run. The engine prints nothing; reporters turn these into text. */
export type EngineEvent =
  | { readonly type: "run-started"; readonly runId: string; readonly plan: Plan; readonly outputs: string }
  | { readonly type: "warning"; readonly diagnostic: Diagnostic }
  /** Something about the run as a whole that is worth a line. */
  | { readonly type: "note"; readonly message: string }
  /** Emitted once for each device that a run computes on, before the first stage that uses it. */
  | { readonly type: "device"; readonly name: string; readonly numerics: string; readonly reason: string }
  | {
    readonly type: "stage-started";
    readonly id: string;
    readonly planned: PlannedAction;
    /** The cluster's job that computes the stage. */
    readonly where?: string;
  }
  /** Jobs on a cluster: the number of running jobs, and the waiting stages by the reason for the wait. */
  | {
    readonly type: "queue-changed";
    readonly running: number;
    readonly waiting: Readonly<Record<string, readonly string[]>>;
  }
  /** `perSecond` is the number of units done each second; null until the stage has reported twice. */
  | {
    readonly type: "stage-progress";
    readonly id: string;
    readonly update: ProgressUpdate;
    readonly perSecond: number | null;
  }
  | { readonly type: "stage-note"; readonly id: string; readonly level: "note" | "warn"; readonly message: string }
  | { readonly type: "stage-waiting"; readonly id: string; readonly holder: string }
  | { readonly type: "stage-saved"; readonly id: string; readonly step: number }
  | { readonly type: "stage-preview"; readonly id: string; readonly step: number; readonly path: string }
  | StageFinished
  | { readonly type: "stopping"; readonly reason: string }
  | RunFinished;

export type Emit = (event: EngineEvent) => void;
