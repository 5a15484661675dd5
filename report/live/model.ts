import type { FigureSummary, RunRecord } from "../../schemas/records.ts";
import type { ReportStage } from "../model.ts";

/** A stage of a run, as it is now: its state is `run`, `cached` … as planned, `running`, or how it ended. */
export interface LiveStage extends ReportStage {
  readonly message?: string | undefined;
  readonly figures: Readonly<Record<string, FigureSummary>>;
  /** The key of its result. */
  readonly result?: string | undefined;
  /** Steps of which there is a preview, rising. */
  readonly previews: readonly number[];
  /** What drew them, as its params say. */
  readonly sampler?: unknown;
}

/** A figure of a result; or the mean over children of a matrix that differ in their seeds alone. */
export interface Score extends Readonly<Record<"stage" | "metric", string>> {
  readonly value: number;
  /** For a mean: the sample standard deviation (n - 1), and the number of seeds behind it. */
  readonly deviation?: number | undefined;
  readonly seeds?: number | undefined;
}

/** A run, as it is now. What texts hold is of unknown origin. */
export interface LiveRun extends Readonly<Pick<RunRecord, "runId" | "pipeline" | "file" | "host" | "overrides">> {
  /** `killed` ended without a word. */
  readonly state: RunRecord["status"] | "killed";
  readonly startedMs: number;
  readonly endedMs?: number | undefined;
  readonly tags: readonly string[];
  /** The cluster whose jobs compute it. */
  readonly cluster?: string | undefined;
  /** In the order in which they depend on one another; of an old run those alone that ran. */
  readonly stages: readonly LiveStage[];
  /** Where they have been looked up. */
  readonly scores?: readonly Score[];
}
