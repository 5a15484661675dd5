import type { FigureSummary, RunRecord } from "../../schemas/records.ts";
import type { ReportStage } from "../report/model.ts";

/**
 * The current state of a run's stage. `state` is `run`, `cached` … as planned, `running`, or the way the stage ended.
 */
export interface LiveStage extends ReportStage {
  readonly message?: string | undefined;
  readonly fix?: string | undefined;
  readonly figures: Readonly<Record<string, FigureSummary>>;
  /** The key of the stage's result. */
  readonly result?: string | undefined;
  /** Steps with a preview image, ascending. */
  readonly previews: readonly number[];
  /** The sampler that generated the previews, as the stage's params describe it. */
  readonly sampler?: unknown;
}

/** A figure of a result, or the mean over children of a matrix that differ only in their seeds. */
export interface Score extends Readonly<Record<"stage" | "metric", string>> {
  readonly value: number;
  /** For a mean: the sample standard deviation (n - 1), and the number of seeds that it is computed from. */
  readonly deviation?: number | undefined;
  readonly seeds?: number | undefined;
}

/** The current state of a run. Its texts are of unknown origin and must be escaped. */
export interface LiveRun extends Readonly<Pick<RunRecord, "runId" | "pipeline" | "file" | "host" | "overrides">> {
  readonly question?: string | undefined;
  /** The command that continues the run, if it has stopped. */
  readonly command?: string;
  /** `killed`: the run ended without recording its end. */
  readonly state: RunRecord["status"] | "killed";
  readonly startedMs: number;
  readonly endedMs?: number | undefined;
  readonly tags: readonly string[];
  /** The cluster whose jobs compute the run. */
  readonly cluster?: string | undefined;
  /** In dependency order; for an old run only the stages that ran. */
  readonly stages: readonly LiveStage[];
  /** Present if the scores have been looked up. */
  readonly scores?: readonly Score[];
  /** Sentences on the best trials of searches, likewise. */
  readonly best?: readonly string[];
}
