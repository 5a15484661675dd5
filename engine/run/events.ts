import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import type { Outlook } from "../plan/forecast.ts";
import type { Plan, PlannedAction } from "../plan/plan.ts";
import type { PlanOptions } from "../plan/planner.ts";
import type { Grants, RightsRequest } from "../process/rights.ts";
import type { ProgressUpdate } from "../../contract/stage.ts";

/**
 * How a stage ended in a run. `cached`: its result was there and shown; `restored`: its result was there, or in the
 * shared cache, and is shown now; `ran`: it was computed; `interrupted`: its work had begun when the run was stopped;
 * `blocked`: its work had not begun, because the run was stopped or what it needs has no result.
 */
export type StageEndState = "cached" | "restored" | "ran" | "failed" | "interrupted" | "blocked";

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

export interface RunOptions extends Pick<PlanOptions, "targets" | "force" | "cache" | "externals" | "given"> {
  /**
   * How the stages and shards ended that a cluster did not finish. They are not among `targets`, but they are counted,
   * and any of them makes the run `failed`.
   */
  readonly endedElsewhere?: ReadonlyMap<string, StageEndState>;
  readonly replace?: boolean;
  readonly jobs?: number;
  readonly keepGoing?: boolean;
  readonly gpus?: readonly string[];
  /** The folder of GPU locks; by default the one of all runs of this user on this host. */
  readonly lockFolder?: string | undefined;
  readonly emit?: Emit;
  /** First request to stop: stages save and end. */
  readonly stop?: AbortSignal;
  /** Second request: processes are killed. */
  readonly kill?: AbortSignal;
  /** True to claim every stage in the shared cache, not only those that take more than a minute. */
  readonly claimsAll?: boolean;
  /**
   * Called when a stage is about to run and its keys and device are known, with the folder of its saved states: the
   * stage continues from states that are put there. If the answer is a problem, the stage fails.
   */
  readonly beforeStage?: (planned: PlannedAction, progress: string) => Promise<StageProblem | undefined>;
  /** Versions to record. */
  readonly versions?: Readonly<Record<string, string>>;
  /** Shuffles the order among stages that could start; the result must not depend on it. */
  readonly shuffle?: (ids: string[]) => void;
  /** The rights of custom stages; by default those that the user granted before. */
  readonly grants?: Grants;
  /**
   * Asks the user about the rights that are still missing. Without this function, or if its answer is false, nothing
   * runs.
   */
  readonly askForGrants?: (requests: readonly RightsRequest[]) => Promise<boolean>;
  /**
   * Called with the outlook of a run that has something to do; finding the outlook may take a minute. If the answer has
   * problems, nothing runs. Without this function a run begins however long it takes.
   */
  readonly agree?: (outlook: Outlook) => Promise<readonly Diagnostic[]>;
}
