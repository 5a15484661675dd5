import { z } from "zod";
import type { TrainLogEntry } from "../artifacts/log.ts";
import type { Metrics } from "../artifacts/metrics.ts";
import type { GridCells } from "../formats/image_grid.ts";
import type { PlanRecord } from "../schemas/records.ts";

/** What artifacts hold for a page. Every list may be empty; its section is then left out. */
export interface Content
  extends Readonly<Record<"samples" | "films" | "schedules" | "rates" | "neighbours", ReportPicture[]>> {
  readonly curves: ReportCurve[];
  readonly metrics: ReportMetrics[];
  /** Pages that draw. */
  readonly demos: { readonly title: string; readonly href: string }[];
}

/** No artifacts: lists to add to. */
export function noContent(): Content {
  const pictures = { samples: [], films: [], schedules: [], rates: [], neighbours: [] };
  return { ...pictures, curves: [], metrics: [], demos: [] };
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
  /** When the run began whose stages have a place in the timeline. */
  readonly startedMs?: number | undefined;
}

export interface ReportStage extends Readonly<Record<"id" | "kind" | "state", string>> {
  /** What it reads, by stage. */
  readonly reads: readonly string[];
  /** When its work began in the run that is shown, in milliseconds since the epoch. */
  readonly startedMs?: number | undefined;
  /** How long it took, or has taken so far. */
  readonly durationMs?: number | undefined;
  readonly progress?: { readonly done: number; readonly total: number; readonly unit: string } | undefined;
  readonly etaMs?: number | undefined;
  /** What it was computed on. */
  readonly numerics?: string | undefined;
  readonly params: PlanRecord["stages"][number]["params"];
}

/** Of one line of a training log, or of figures that a stage reported as it went. */
export type LogRow = Pick<TrainLogEntry, "step"> & Readonly<Record<string, number>>;

export interface ReportCurve {
  /** The stage. */
  readonly title: string;
  readonly rows: readonly LogRow[];
}

/** Logs whose charts are one. */
export interface CurveGroup {
  readonly title: string;
  /** With the page of the run, where that is another. */
  readonly runs: readonly (Readonly<{ label: string; href?: string | undefined }> & Pick<ReportCurve, "rows">)[];
}

export interface ReportPicture {
  readonly title: string;
  readonly note: string;
  /** PNG, or a drawing in SVG; or where a server has it. */
  readonly source: Uint8Array | string;
  readonly isDrawing?: boolean | undefined;
  /** Training steps that the network had seen: pictures that differ in nothing else share a frame. */
  readonly step?: number | undefined;
  /** Where experiments are compared, the page of its run, the row that it belongs in, and whose it is. */
  readonly href?: string | undefined;
  readonly place?: readonly [row: string, experiment: string] | undefined;
  /** Of a grid, where its images are. */
  readonly cells?: GridCells & { readonly count: number } | undefined;
}

export interface ReportMetrics {
  readonly title: string;
  readonly record: Metrics & { readonly images: Record<string, { readonly source: SourceFacts }> };
}

const word = z.union([z.string(), z.number()]).optional();
const labels = z.union([z.string(), z.array(z.union([z.string(), z.number()]))]);

/** One of the user's own is named by its file. */
const sampler = z.object({ name: word, steps: word, eta: word, uses: word, params: z.record(z.string(), z.unknown()) })
  .partial();
const model = z.object({ digest: z.string().optional(), step: z.number().optional(), weights: word });
const guidanceInterval = z.object({ from: z.number(), to: z.number() });
const factsSchema = z.object({
  ...{ name: word, split: word, seed: word, labels, sampler, model },
  ...{ guidance: word, guidanceInterval, guide: model },
}).partial();

/** Where images come from, as far as pages and tables show it. */
export type SourceFacts = z.output<typeof factsSchema>;

/** The facts of a record, in which a stage may have written anything. @param odd gets what is left out, each with where */
export function factsOf(source: Readonly<Record<string, unknown>>, where: string, odd: string[]): SourceFacts {
  const places = factsSchema.safeParse(source).error?.issues.map(({ path }) => path) ?? [];
  odd.push(...places.map((path) => `${where}source.${path.join(".")} is left out: it is not what belongs there`));
  const left = Object.entries(source).filter(([name]) => places.every(([first]) => first !== name));
  return factsSchema.parse(Object.fromEntries(left));
}
