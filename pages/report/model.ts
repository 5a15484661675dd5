import type { ReportRanking } from "./rungs.ts";
import { z } from "zod";
import type { TrainLogEntry } from "../../artifacts/log.ts";
import type { Metrics } from "../../artifacts/metrics.ts";
import type { GridCells } from "../../science/pictures/image_grid.ts";
import type { LiveProgress, PlanRecord } from "../../schemas/records.ts";

/** The contents of artifacts that a page shows. Every list may be empty; its section is then left out. */
export interface Content extends
  Readonly<
    Record<"samples" | "data" | "films" | "schedules" | "rates" | "neighbours" | "pictures", ReportPicture[]>
  > {
  readonly curves: ReportCurve[];
  readonly metrics: ReportMetrics[];
  readonly rankings: ReportRanking[];
  /** Interactive sampling pages. */
  readonly demos: { readonly title: string; readonly href: string }[];
}

/** Returns empty content, with lists to add to. */
export function noContent(): Content {
  const pictures = { samples: [], data: [], films: [], schedules: [], rates: [], neighbours: [], pictures: [] };
  return { ...pictures, curves: [], metrics: [], rankings: [], demos: [] };
}

/** The content of one experiment's page. */
export interface Report extends Content {
  readonly title: string;
  /** The question that the pipeline's file says the experiment answers. */
  readonly question?: string | undefined;
  /** A line below the title. */
  readonly subtitle: string;
  /** Notes on missing content, and why it is missing. */
  readonly notes: readonly string[];
  /** The stages as a graph. */
  readonly stages: readonly ReportStage[];
  /** The start of the run whose stages the timeline shows, in milliseconds since the epoch. */
  readonly startedMs?: number | undefined;
}

export interface ReportStage extends Readonly<Record<"id" | "kind" | "state", string>> {
  /** The stages that this one reads. */
  readonly reads: readonly string[];
  /** The start of the stage's work in the shown run, in milliseconds since the epoch. */
  readonly startedMs?: number | undefined;
  /** Duration of the work, so far or in total. */
  readonly durationMs?: number | undefined;
  readonly progress?: Pick<LiveProgress, "done" | "total" | "unit"> & Partial<LiveProgress> | undefined;
  readonly etaMs?: number | undefined;
  /** For a stage that a live run has yet to begin: why it waits. */
  readonly waits?: string | undefined;
  /** The step of an earlier run at which its work began. */
  readonly fromStep?: number | undefined;
  /** The device and numerics that the stage was computed with. */
  readonly numerics?: string | undefined;
  readonly params: PlanRecord["stages"][number]["params"];
  /** The objective that it learns by, where the page has no room for its params. */
  readonly objective?: string | undefined;
}

/** A row of figures: one line of a training log, or figures that a stage reported while it ran. */
export type LogRow = Pick<TrainLogEntry, "step"> & Readonly<Record<string, number>>;

export interface ReportCurve {
  /** The stage. */
  readonly title: string;
  readonly rows: readonly LogRow[];
}

/** Logs that share their charts. */
export interface CurveGroup {
  readonly title: string;
  /** The logs, each with the page of its run if that is another page. */
  readonly runs: readonly (Readonly<{ label: string; href?: string | undefined }> & Pick<ReportCurve, "rows">)[];
}

export interface ReportPicture {
  readonly title: string;
  readonly note: string;
  /** PNG bytes or an SVG drawing; or the address where a server has it. */
  readonly source: Uint8Array | string;
  readonly isDrawing?: boolean | undefined;
  /** Training steps of the network behind the picture; pictures that differ only in this share a frame. */
  readonly step?: number | undefined;
  /** In a comparison of experiments: the page of the picture's run, its row, and its experiment. */
  readonly href?: string | undefined;
  readonly comparisonCell?: readonly [row: string, experiment: string] | undefined;
  /** Identity of the artifact that it is a picture of. */
  readonly digest?: string | undefined;
  /** For a grid of class-conditional samples, the name of the class of each image. */
  readonly labels?: readonly string[] | undefined;
  /** For a grid, the positions of its images. */
  readonly cells?: GridCells & { readonly count: number } | undefined;
}

export interface ReportMetrics {
  readonly title: string;
  readonly record: Metrics & { readonly images: Record<string, { readonly source: SourceFacts }> };
}

const word = z.union([z.string(), z.number()]).optional();
const labels = z.union([z.string(), z.array(z.union([z.string(), z.number()]))]);

/** A sampler from user code is named by its file. */
const sampler = z.object({ name: word, steps: word, eta: word, uses: word, params: z.record(z.string(), z.unknown()) })
  .partial();
const model = z.object({ digest: z.string().optional(), step: z.number().optional(), weights: word });
const guidanceInterval = z.object({ from: z.number(), to: z.number() });
const factsSchema = z.object({
  ...{ name: word, split: word, seed: word, labels, sampler, model },
  ...{ guidance: word, guidanceInterval, guide: model },
}).partial();

/** Facts about the source of images, as far as pages and tables show them. */
export type SourceFacts = z.output<typeof factsSchema>;

/**
 * Parses the facts in a record, in which a stage may have written anything.
 * @param warnings receives messages about facts that are left out, each with its place
 */
export function factsOf(source: Readonly<Record<string, unknown>>, where: string, warnings: string[]): SourceFacts {
  const places = factsSchema.safeParse(source).error?.issues.map(({ path }) => path) ?? [];
  warnings.push(...places.map((path) => `${where}source.${path.join(".")} is left out: it is not what belongs there`));
  const left = Object.entries(source).filter(([name]) => places.every(([first]) => first !== name));
  return factsSchema.parse(Object.fromEntries(left));
}
