import type { TrainLogEntry } from "../artifacts/log.ts";
import type { Metrics } from "../artifacts/metrics.ts";
import type { SourceFacts } from "./facts.ts";

/** What artifacts hold for a page. Every list may be empty; its section is then left out. */
export interface Content {
  readonly curves: ReportCurve[];
  readonly samples: ReportPicture[];
  readonly films: ReportPicture[];
  readonly schedules: ReportPicture[];
  readonly rates: ReportPicture[];
  readonly metrics: ReportMetrics[];
  readonly neighbours: ReportPicture[];
}

/** What one page shows of an experiment. */
export interface Report extends Content {
  readonly title: string;
  /** A line under it. */
  readonly subtitle: string;
  /** What is missing, and why. */
  readonly notes: readonly string[];
  /** The stages as a graph. */
  readonly stages: readonly ReportStage[];
}

export interface ReportStage {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  /** What it reads, by stage. */
  readonly reads: readonly string[];
  /** How long it took, in words. */
  readonly duration?: string | undefined;
  /** What it was computed on. */
  readonly numerics?: string | undefined;
  readonly params: readonly ReportParam[];
}

export interface ReportParam {
  readonly path: string;
  readonly value: unknown;
  /** Where it comes from, nearest first. */
  readonly origin: readonly string[];
}

/** Of one line of a training log. */
export type LogRow = Pick<TrainLogEntry, "step" | "loss" | "gradNorm" | "learningRate">;

export interface ReportCurve {
  readonly title: string;
  readonly rows: readonly LogRow[];
}

/** Logs whose charts are one. */
export interface CurveGroup {
  readonly title: string;
  readonly runs: readonly { readonly label: string; readonly rows: readonly LogRow[] }[];
}

export interface ReportPicture {
  readonly title: string;
  readonly note: string;
  /** PNG, or a drawing in SVG. */
  readonly bytes: Uint8Array;
  readonly isDrawing?: boolean | undefined;
  /** Training steps that the network had seen: pictures that differ in nothing else share a slider. */
  readonly step?: number | undefined;
}

export interface ReportMetrics {
  readonly title: string;
  readonly record: Metrics & { readonly images: Record<string, { readonly source: SourceFacts }> };
}
