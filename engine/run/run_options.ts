import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import type { Outlook } from "../plan/forecast.ts";
import type { Plan } from "../plan/plan.ts";
import type { PlanOptions } from "../plan/planner.ts";
import type { Grants, RightsRequest } from "./rights.ts";
import type { Emit } from "./events.ts";
import type { Executor } from "./executor.ts";

export interface RunOptions extends Pick<PlanOptions, "targets" | "force" | "cache" | "externals" | "given"> {
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
  /** Carries out the actions of the run; by default the executor of this machine. */
  readonly executor?: Executor;
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
  /** Returns why a plan is not to be carried out; then nothing runs. */
  readonly review?: (plan: Plan) => readonly Diagnostic[];
}
