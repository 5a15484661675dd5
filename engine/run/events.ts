import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import type { Outlook } from "../plan/forecast.ts";
import type { Plan, PlannedStage } from "../plan/plan.ts";
import type { PlanOptions } from "../plan/planner.ts";
import type { Grants, RightsRequest } from "../process/rights.ts";
import type { ProgressUpdate } from "../../contract/stage.ts";

/** How a stage ended in a run. */
export type StageEndState = "cached" | "restored" | "ran" | "failed" | "interrupted" | "blocked";

export type RunStatus = "done" | "failed" | "interrupted";

/** Why a stage failed, and what to do. */
export type StageProblem = Pick<Diagnostic, "message" | "fix">;

export interface StageFinished extends Partial<Readonly<Record<"message" | "fix" | "log", string>>> {
  readonly type: "stage-finished";
  readonly id: string;
  readonly state: StageEndState;
  readonly durationMs: number;
  /** It failed since somebody cancelled its job. */
  readonly cancelled?: true;
  /** Folder of the user's view, when there is a result. */
  readonly view?: string;
  /** Where the user's own changes to an old view were moved. */
  readonly mine?: string;
}

export interface RunFinished {
  readonly type: "run-finished";
  readonly pipeline: string;
  readonly status: RunStatus;
  readonly counts: Readonly<Record<StageEndState, number>>;
  readonly durationMs: number;
  /** Undefined when nothing was to be done, or nothing begun, and so no run was recorded. */
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
  /** Said once for each device that a run computes on, before the first stage that does. */
  | { readonly type: "device"; readonly name: string; readonly numerics: string; readonly reason: string }
  | {
    readonly type: "stage-started";
    readonly id: string;
    readonly planned: PlannedStage;
    /** The job on a cluster. */
    readonly where?: string;
  }
  /** Jobs on a cluster: how many run, and stages that wait by the reason for it. */
  | {
    readonly type: "queue-changed";
    readonly running: number;
    readonly waiting: Readonly<Record<string, readonly string[]>>;
  }
  /** With its units each second; null where it has not reported twice. */
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

export interface RunOptions extends Pick<PlanOptions, "targets" | "force" | "cache" | "externals"> {
  /** How stages ended that a cluster was to compute and did not: they are none of the targets, and count all the same. */
  readonly endedElsewhere?: ReadonlyMap<string, StageEndState>;
  readonly replace?: boolean;
  readonly jobs?: number;
  readonly keepGoing?: boolean;
  readonly gpus?: readonly string[];
  /** Where GPUs are locked; by default for all runs of this user on this host. */
  readonly lockFolder?: string | undefined;
  readonly emit?: Emit;
  /** First request to stop: stages save and end. */
  readonly stop?: AbortSignal;
  /** Second request: processes are killed. */
  readonly kill?: AbortSignal;
  /**
   * Called when a stage is about to run and its keys and device are known, with the folder of its saved states: what is
   * put there it goes on from. With a problem for an answer it fails.
   */
  readonly beforeStage?: (planned: PlannedStage, progress: string) => Promise<StageProblem | undefined>;
  /** Versions to record. */
  readonly versions?: Readonly<Record<string, string>>;
  /** Shuffles the order among stages that could start; the result must not depend on it. */
  readonly shuffle?: (ids: string[]) => void;
  /** What custom stages may do; by default what the user granted before. */
  readonly grants?: Grants;
  /** Asks the user about the rights that are still missing. Without it, or with no for an answer, nothing runs. */
  readonly askForGrants?: (requests: readonly RightsRequest[]) => Promise<boolean>;
  /**
   * Told what to expect of a run that has something to do, which may take a minute to find out. With problems for an
   * answer nothing runs. Without it a run is begun whatever it takes.
   */
  readonly agree?: (outlook: Outlook) => Promise<readonly Diagnostic[]>;
}
