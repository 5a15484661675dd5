import type { LogRow, ReportMetrics, ReportParam } from "../model.ts";

/** How a run stands: `killed` ended without a word. */
export type RunState = "running" | "done" | "failed" | "interrupted" | "killed";

/** What a figure of a stage, such as its loss, has been. */
export interface FigureSummary {
  readonly last: number;
  readonly lowest: number;
  /** Where it was lowest: a step, or another unit of progress. */
  readonly at: number;
}

/** A stage of a run, as it is now. */
export interface LiveStage {
  readonly id: string;
  readonly kind: string;
  /** `run`, `cached` … as planned, `running`, or how it ended. */
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
  readonly figures: Readonly<Record<string, FigureSummary>>;
  readonly params: readonly ReportParam[];
  /** Steps of which there is a preview, rising. */
  readonly previews: readonly number[];
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
  readonly scores: readonly ReportMetrics[];
}

/** Rows of the curve of one stage: what a chart draws. */
export interface LiveCurve {
  readonly stage: string;
  readonly rows: readonly (Partial<LogRow> & { readonly step: number })[];
}

/** A picture that lies on the server. */
export interface LinkedPicture {
  readonly title: string;
  readonly note: string;
  readonly step?: number | undefined;
  /** Address on this server. */
  readonly href: string;
}
