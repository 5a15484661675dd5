import type { Metric } from "../../artifacts/metrics.ts";
import type { CurveGroup, LogRow, Report, ReportCurve, ReportMetrics, ReportStage } from "./model.ts";
import { searchTables, trialNames } from "./rungs.ts";
import { count, entryOf, figure, type Html, joined, link, markup, named, scriptJson, type Shown } from "./text.ts";

/** Returns the title of a group of logs. Losses of different objectives are not comparable, and stay apart. */
export function curveTitle(stage: string, objective: string | undefined): string {
  return joined([stage, named("objective", objective)], ", ");
}

/** Returns the objective that a stage learns by, if it learns by one. */
export function objectiveOf({ objective, params }: Pick<ReportStage, "objective" | "params">): string | undefined {
  const value = params.find(({ path }) => path === "with.objective")?.value ?? objective;
  return typeof value === "object" ? JSON.stringify(value) : value?.toString();
}

/** Logs, and what groups and names them. */
type Logs = Pick<Report, "curves" | "rankings" | "stages">;

/** Groups the logs of a matrix's children, those of each objective if they have several. */
export function groupCurves({ curves, rankings, stages }: Logs): CurveGroup[] {
  const nameOf = trialNames(searchTables(rankings, stages));
  const objectives = new Map(stages.map((stage) => [stage.id, objectiveOf(stage)]));
  return [...Map.groupBy(curves, ({ title }) => entryOf(title))].flatMap(([entry, own]) => {
    const groups = [...Map.groupBy(own, ({ title }) => objectives.get(title))];
    return groups.map(([objective, group]) => ({
      title: curveTitle(entry, groups.length > 1 ? objective : undefined),
      runs: group.map(({ title, rows }) => ({ label: nameOf(title), rows })),
    }));
  });
}

/** Returns true for a kind whose curve is that of a network which makes samples, as far as its name tells. */
export function learns(kind: string): boolean {
  return kind === "train" || kind === "command" || /[./]/.test(kind);
}

/** Returns the figure of a group of logs that says most: its loss, else another loss, else the first. */
export function mainFigure({ runs }: CurveGroup): string {
  const names = [...new Set(runs.flatMap(({ rows }) => rows.flatMap(Object.keys)))].filter((name) => name !== "step");
  return names.find((name) => name === "loss") ?? names.find((name) => /loss/i.test(name)) ?? names[0] ?? "loss";
}

/** Returns the groups of the last training of a diffusion, else of the last stage that learns. */
export function mainCurves({ curves, rankings, stages }: Logs): CurveGroup[] {
  const all = curves.filter(({ rows }) => rows.length > 1);
  const trainings = new Set(stages.filter(({ kind }) => learns(kind)).map(({ id }) => entryOf(id)));
  const last = all.findLast(({ title }) => trainings.has(entryOf(title))) ?? all.at(-1);
  return groupCurves({ curves: all.filter(({ title }) => entryOf(title) === entryOf(last!.title)), rankings, stages });
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
  const places = groups.map(({ title, runs }) => {
    const words = runs.length > MOST_DESCRIBED
      ? markup`<p>${count(runs.length)} curves</p>`
      : runs.map((run) =>
        markup`<p>${run.label === title && runs.length === 1 ? "" : [link(run.label, run.href), ": "]}${
          lastRow(run)
        }</p>`
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
  const told = Object.entries(figures).map(([name, value]) => `${nameOfFigure(name)} ${figure(value)}`).join(", ");
  if (step === undefined) return "no steps";
  return `${rows.length === 1 ? "" : `${count(rows.length)} points, the last `}at step ${count(step)}: ${told}`;
}

/** Returns a figure's name in words: `gradNorm` becomes `gradient norm`. */
function nameOfFigure(name: string): string {
  return name === "gradNorm" ? "gradient norm" : name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
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
export function timestepCharts(all: readonly ReportMetrics[], nameOf: (id: string) => string): Html[] {
  const runs = all.map(({ title, record }) => {
    const rows = [...Map.groupBy(chartedFigures(record), ({ timesteps }) => timesteps!.from)].sort(([a], [b]) => a - b)
      .map(([step, own]): LogRow => ({ step, ...Object.assign({}, ...own.map((one) => withBar(one.name, one))) }));
    return { label: nameOf(title), rows };
  }).filter(({ rows }) => rows.length > 0);
  if (runs.length === 0) return [];
  return [markup`<div class="charts" data-runs="${scriptJson(runs)}" data-x="timestep t"></div>`];
}

/** Returns a figure as a row of a chart has it, with the length of its error bar. */
export function withBar(name: string, { value, deviation }: Pick<Metric, "value" | "deviation">) {
  return { [name]: value, ...deviation ? { [`±${name}`]: deviation } : {} };
}
