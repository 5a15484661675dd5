import type { ReportStage } from "../model.ts";

/** How a run stands: `killed` ended without a word. */
export type RunState = "running" | "done" | "failed" | "interrupted" | "killed";

/** What a figure of a stage, such as its loss, has been. */
export interface FigureSummary {
  readonly last: number;
  readonly lowest: number;
  /** Where it was lowest: a step, or another unit of progress. */
  readonly at: number;
}

/** A stage of a run, as it is now: its state is `run`, `cached` … as planned, `running`, or how it ended. */
export interface LiveStage extends ReportStage {
  readonly message?: string | undefined;
  readonly figures: Readonly<Record<string, FigureSummary>>;
  /** The key of its result. */
  readonly result?: string | undefined;
  /** Steps of which there is a preview, rising. */
  readonly previews: readonly number[];
}

/** A figure of a result; or the mean over children of a matrix that differ in their seeds alone. */
export interface Score extends Readonly<Record<"stage" | "metric", string>> {
  readonly value: number;
  /** Of a mean, the sample deviation and over how many seeds. */
  readonly deviation?: number | undefined;
  readonly seeds?: number | undefined;
}

/** A run, as it is now. What texts hold is of unknown origin. */
export interface LiveRun {
  readonly runId: string;
  readonly pipeline: string;
  readonly file: string;
  readonly state: RunState;
  readonly startedMs: number;
  readonly endedMs?: number | undefined;
  readonly host: string;
  readonly overrides: readonly string[];
  readonly tags: readonly string[];
  /** The cluster whose jobs compute it. */
  readonly cluster?: string | undefined;
  /** In the order in which they depend on one another; of an old run those alone that ran. */
  readonly stages: readonly LiveStage[];
  /** Where they have been looked up. */
  readonly scores?: readonly Score[];
}
