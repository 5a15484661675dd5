import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import type { Emit } from "./events.ts";
import type { Outlook } from "../plan/forecast.ts";
import type { PlanOptions } from "../plan/planner.ts";
import type { Grants, RightsRequest } from "../process/rights.ts";

export interface RunOptions extends Pick<PlanOptions, "targets" | "force" | "cache"> {
  readonly replace?: boolean;
  readonly jobs?: number;
  readonly keepGoing?: boolean;
  readonly gpus?: readonly string[];
  readonly emit?: Emit;
  /** First request to stop: stages save and end. */
  readonly stop?: AbortSignal;
  /** Second request: processes are killed. */
  readonly kill?: AbortSignal;
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
