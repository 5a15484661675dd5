import { chartPlace, mainCurves } from "./charts.ts";
import { framesOf, grouped, stepSlider } from "./frames.ts";
import { headlines } from "./headlines.ts";
import type { Report, ReportMetrics, ReportPicture } from "./model.ts";
import { isOfTrial } from "./rungs.ts";
import { sweepOf } from "./sweep.ts";
import { entryOf, markup } from "./text.ts";

/** Pictures of samples that stand beside the real images: of several seeds, the first. */
const MOST_PICTURES = 3;

/**
 * Returns the first screen of a page: the figures that say how good a run's samples are, the samples beside real
 * images, and the loss. `shown` has the pictures in it, which need not be shown again; `isSweep` is true if a table of
 * settings says in short what each of many scores says.
 */
export function overviewOf(report: Report) {
  const { metrics, curves, data, stages } = report;
  // Pictures that stages draw stand in for samples where there are none.
  const samples = report.samples.length > 0 ? report.samples : report.pictures;
  const own = <T extends { readonly title: string }>(all: readonly T[]) =>
    all.filter(({ title }) => !isOfTrial(title, stages));
  const sweep = sweepOf({ metrics: own(metrics), samples: own(report.samples) });
  const real = grouped(data).slice(0, 1);
  const chosen = sweep === undefined ? chooseSamples(samples, metrics) : [];
  // Reconstructions and pictures that stages draw have neither.
  const isGenerated = chosen.flat().some(({ digest, step }) => digest !== undefined || step !== undefined);
  const isAwaited = samples.length === 0 && stages.some(({ kind }) => kind === "train");
  const parts = [
    ...framesOf(chosen, isGenerated ? "Generated samples" : undefined),
    ...framesOf(real, "Training data"),
    ...mainCurves(curves, stages).map(({ title }) => chartPlace(title, "loss")),
  ];
  const hero = parts.length === 0 ? [] : [markup`<div class="hero${isAwaited ? " awaited" : ""}">${parts}</div>`];
  const first = sweep === undefined ? stepSlider(grouped(samples)) : sweep.body;
  const shown = new Set([...[...chosen, ...real].flat(), ...sweep?.shown ?? []]);
  if (isAwaited) first.push(markup`<p>No samples yet.</p>`);
  return { body: [...headlines(own(metrics)), ...first, ...hero], shown, isSweep: sweep !== undefined };
}

/** Chooses the samples that the last scores are of, else the last grid, else the last pictures of all. */
function chooseSamples(samples: readonly ReportPicture[], metrics: readonly ReportMetrics[]): ReportPicture[][] {
  const groups = grouped(samples);
  const scored = new Set(metrics.map(({ record }) => record.images["fake"]?.digest));
  const first = groups.findLast((group) => group.some(({ digest }) => digest !== undefined && scored.has(digest))) ??
    groups.findLast((group) => group.some(({ cells }) => cells !== undefined)) ?? groups.at(-1);
  const nameOf = ([one]: ReportPicture[]) => entryOf(one!.title);
  return first === undefined ? [] : groups.filter((one) => nameOf(one) === nameOf(first)).slice(0, MOST_PICTURES);
}
