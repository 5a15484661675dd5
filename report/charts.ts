import type { Metric } from "../artifacts/metrics.ts";
import type { CurveGroup, LogRow, ReportCurve, ReportMetrics, ReportStage } from "./model.ts";
import { count, entryOf, figure, type Html, link, markup, scriptJson, type Shown } from "./text.ts";

/** Groups the logs of a matrix's children. */
export function groupCurves(curves: readonly ReportCurve[]): CurveGroup[] {
  return [...Map.groupBy(curves, ({ title }) => entryOf(title))].map(([title, group]) => ({
    title,
    runs: group.map(({ title, rows }) => ({ label: title, rows })),
  }));
}

/** Returns the group of the last training of a diffusion, else of the last stage that learns. */
export function mainCurves(curves: readonly ReportCurve[], stages: readonly ReportStage[]): CurveGroup | undefined {
  const groups = groupCurves(curves.filter(({ rows }) => rows.length > 1));
  const trainings = new Set(stages.filter(({ kind }) => kind === "train").map(({ id }) => entryOf(id)));
  return groups.findLast(({ title }) => trainings.has(title)) ?? groups.at(-1);
}

/** More logs than these are not described one by one. */
const MOST_DESCRIBED = 8;

/**
 * Returns placeholders for the charts, in the order of the page's data; only the script can draw the charts in them.
 */
export function curvePlaces(groups: readonly CurveGroup[]): Html[] {
  if (groups.length === 0) return [];
  const range = markup`<input id="smoothing" type="range" min="0" max="0.99" step="0.01" value="0.9">`;
  const log = markup`<label><input id="log-scale" type="checkbox" checked> log scale</label>`;
  const controls = markup`<div class="controls"><label>smoothing ${range}</label>${log}</div>`;
  const places = groups.map((group) => {
    const { title, runs } = group;
    const words = runs.length > MOST_DESCRIBED
      ? markup`<p>${count(runs.length)} curves</p>`
      : runs.map((run) =>
        markup`<p>${run.label === title ? "" : [link(run.label, run.href), ": "]}${lastRow(run)}</p>`
      );
    return markup`<h3>${title}</h3>${words}${chartPlace(title)}`;
  });
  return [controls, ...places];
}

/** Returns the place of a group's charts, or of the one of a single figure. */
export function chartPlace(group: string, only?: string): Html {
  return markup`<div class="charts" data-curve="${group}"${only && markup` data-only="${only}"`}></div>`;
}

function lastRow({ rows }: Pick<ReportCurve, "rows">): Shown {
  const { step, ...figures } = rows.at(-1) ?? { step: undefined };
  const named = Object.entries(figures).map(([name, value]) => `${nameOfFigure(name)} ${figure(value)}`).join(", ");
  if (step === undefined) return "no steps";
  return `${count(rows.length)} ${rows.length === 1 ? "point" : "points"}, the last at step ${count(step)}: ${named}`;
}

/** Returns a figure's name in words: `gradNorm` becomes `gradient norm`. */
function nameOfFigure(name: string): string {
  return { gradNorm: "gradient norm" }[name] ?? name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** Figures of fewer ranges of timesteps are numbers in a table. */
const FEWEST_CHARTED = 3;

/** Returns the figures that a record has for ranges of timesteps, if these make a chart. */
export function chartedFigures({ metrics }: ReportMetrics["record"]): ReadonlySet<Metric> {
  const ranged = Map.groupBy(metrics.filter(({ timesteps }) => timesteps !== undefined), ({ name }) => name);
  return new Set(ranged.values().flatMap((own) => own.length < FEWEST_CHARTED ? [] : own));
}

/**
 * Returns charts of the figures that records have for ranges of timesteps. Their data are part of the page's text,
 * since they change only with it.
 */
export function timestepCharts(all: readonly ReportMetrics[]): Html[] {
  const runs = all.map(({ title, record }) => {
    const rows = [...Map.groupBy(chartedFigures(record), ({ timesteps }) => timesteps!.from)].sort(([a], [b]) => a - b)
      .map(([step, own]): LogRow => ({ step, ...Object.fromEntries(own.map(({ name, value }) => [name, value])) }));
    return { label: title, rows };
  }).filter(({ rows }) => rows.length > 0);
  if (runs.length === 0) return [];
  return [markup`<div class="charts" data-runs="${scriptJson(runs)}" data-x="timestep t"></div>`];
}
