import { indexParts } from "../../std/within.ts";
import { withBar } from "./charts.ts";
import { framesOf } from "./frames.ts";
import {
  betterOf,
  isBetter,
  type Measured,
  nameIn,
  overallFigures,
  overSeeds,
  rankOf,
  summarize,
} from "./headlines.ts";
import type { LogRow, Report, ReportPicture } from "./model.ts";
import { axesOf, entryOf, type Html, joined, markup, moreOf, named, scriptJson, type Shown, table } from "./text.ts";

/** The axis over whose values figures are averaged. */
const SEED = "seed";
const [MOST_COLUMNS, MOST_ROWS, MOST_PICTURES, MOST_LINES] = [8, 12, 12, 8];
/** Values of an axis that are as far apart stand on a logarithmic scale: not quite a decade, as 1e-3 and 8e-3. */
const LOG_SPAN = 8;

/** A setting of a sweep, with all of its seeds. */
interface Setting {
  readonly name: string;
  readonly axes: ReadonlyMap<string, string>;
  /** By the stage and name of the figure, one value for each seed. */
  readonly figures: ReadonlyMap<string, readonly Measured[]>;
  readonly pictures: readonly ReportPicture[];
}

/**
 * Returns a sweep: a table of its settings, with means over seeds, the best value of each figure marked; the first
 * figure against each axis; the samples of each setting. Undefined if fewer than two settings have figures or samples.
 */
export function sweepOf({ metrics, samples }: Pick<Report, "metrics" | "samples">) {
  // Names are parsed once, and each setting looks at all that have axes.
  const withAxes = <T extends { readonly title: string }>(all: readonly T[]) =>
    all.map((one) => ({ one, axes: axesOf(one.title) })).filter(({ axes }) => axes.size > 0);
  const figures = withAxes(overallFigures(metrics));
  const pictured = withAxes(samples.filter(({ cells }) => cells !== undefined));
  const [figuresOf, picturesOf] = [indexWithin(figures), indexWithin(pictured)];
  const settings = settingsIn([...figures, ...pictured].map(({ axes }) => axes)).map(({ name, axes }): Setting => {
    const own = Map.groupBy(figuresOf(axes), ({ one: { title, name } }) => `${entryOf(title)} ${name}`);
    const values = new Map([...own].map(([key, all]) => [key, all.map(({ one }) => one)]));
    return { name, axes, figures: values, pictures: picturesOf(axes).map(({ one }) => one) };
  });
  if (settings.length < 2) return undefined;
  const columns = [...new Set(settings.flatMap((one) => [...one.figures.keys()]))]
    .sort((a, b) => rankOf(a) - rankOf(b)).slice(0, MOST_COLUMNS);
  const first = columns[0] ?? "";
  const worst = isBetter(first, 0, 1) ? Infinity : -Infinity;
  const sorted = settings.toSorted((a, b) => {
    const [x, y] = [meanOf(a, first) ?? worst, meanOf(b, first) ?? worst];
    return Number(isBetter(first, y, x)) - Number(isBetter(first, x, y));
  });
  const noteOf = ({ title }: ReportPicture) => named(SEED, axesOf(title).get(SEED)) ?? "";
  const frames = sorted.flatMap(({ name, pictures }) =>
    framesOf(pictures.slice(-1).map((one) => [{ ...one, title: name, note: noteOf(one), step: undefined }]))
  );
  const axes = [...new Set(settings.flatMap(({ axes }) => [...axes.keys()]))];
  const charts = columns.slice(0, 1).flatMap((column) => axes.flatMap((axis) => axisChart(settings, axis, column)));
  const body = [
    ...findingOf(sorted[0]!, first),
    settingsTable(sorted, axes, columns),
    ...charts.length > 0 ? [markup`<div class="hero">${charts}</div>`] : [],
  ];
  if (frames.length > 0) body.push(markup`<div class="grids">${moreOf(frames, MOST_PICTURES)}</div>`);
  return { body, shown: new Set(settings.flatMap(({ pictures }) => pictures)) };
}

/** Returns the settings that stages have, without those that are a part of others. */
function settingsIn(parts: readonly Setting["axes"][]): Pick<Setting, "name" | "axes">[] {
  const all = new Map(parts.map((own) => {
    const axes = new Map([...own].filter(([axis]) => axis !== SEED || own.size === 1));
    return [joined([...axes].map((pair) => pair.join("=")), ", "), axes] as const;
  }));
  const within = indexWithin([...all.values()].map((axes) => ({ axes })));
  const smaller = new Set(
    all.values().flatMap((whole) => within(whole).map(({ axes }) => axes).filter(({ size }) => size < whole.size)),
  );
  return [...all].filter(([, axes]) => axes.size > 0 && !smaller.has(axes)).map(([name, axes]) => ({ name, axes }));
}

/** Returns a function that finds the parts that agree with a setting in all axes but the seed, if it has none. */
function indexWithin<T extends Pick<Setting, "axes">>(all: readonly T[]): (whole: Setting["axes"]) => T[] {
  const find = indexParts(all, ({ axes }) => axes);
  const findOfAllSeeds = indexParts(all, ({ axes }) => new Map([...axes].filter(([axis]) => axis !== SEED)));
  return (whole) => whole.has(SEED) ? find(whole) : findOfAllSeeds(whole);
}

/** Names the setting that is best by a figure, if it is one of which some values are better. */
function findingOf(best: Setting, column: string): Html[] {
  const [better, values] = [betterOf(nameIn(column)), best.figures.get(column)];
  if (better === undefined || values === undefined) return [];
  const shown = joined(summarize(values).filter(Boolean), " ");
  const seeds = values.length > 1 ? `, the mean of ${values.length} seeds` : "";
  return [markup`<p>Best: <b>${best.name}</b> with ${nameIn(column)} ${shown}${seeds} (${better}).</p>`];
}

function meanOf({ figures }: Pick<Setting, "figures">, column: string): number | undefined {
  const values = figures.get(column);
  return values && overSeeds(values).value;
}

/** @param settings the best first */
function settingsTable(settings: readonly Setting[], axes: readonly string[], columns: readonly string[]): Html {
  const best = new Map(columns.map((column) => {
    const means = settings.map((one) => meanOf(one, column)).filter((value) => value !== undefined);
    return [column, means.reduce((a, b) => isBetter(column, b, a) ? b : a, means[0]!)];
  }));
  const rows = settings.map((one) => [
    ...axes.map((axis): Shown => one.axes.get(axis)),
    ...columns.map((column): Shown => {
      const value = meanOf(one, column);
      if (value === undefined) return undefined;
      const [shown, spread] = summarize(one.figures.get(column)!);
      const isBest = value === best.get(column) && isBetter(column, 0, 1) !== isBetter(column, 1, 0);
      const mark = isBest ? markup` class="best" title="best"` : "";
      return markup`<data value="${value}"${mark}>${shown}</data> <small>${spread}</small>`;
    }),
  ]);
  const names = columns.map((column) => {
    const isAlone = columns.every((other) => other === column || nameIn(other) !== nameIn(column));
    return isAlone ? nameIn(column) : column;
  });
  const seeds = Math.max(...settings.flatMap(({ figures }) => [...figures.values()].map(({ length }) => length)));
  const how = seeds > 1 ? `means of ${seeds} seeds, with their deviation (n - 1)` : "";
  const words = joined([`${settings.length} settings`, how || undefined, "best values are marked"], "; ");
  return markup`<p class="provenance">${words}. A click on a column sorts by it.</p>${
    table([...axes, ...names], rows, { sortable: true, most: MOST_ROWS })
  }`;
}

/**
 * Returns a chart of a figure, as means over seeds, against an axis: a line for each choice of the other axes, or for
 * the best of them where there are many.
 */
function axisChart(settings: readonly Setting[], axis: string, column: string): Html[] {
  const values = [...new Set(settings.map(({ axes }) => axes.get(axis)).filter((value) => value !== undefined))];
  if (values.length < 2) return [];
  // Words have places in the order of the file.
  const areNumbers = values.every((value) => value !== "" && Number.isFinite(Number(value)));
  const placeOf = (value: string) => areNumbers ? Number(value) : values.indexOf(value);
  const name = nameIn(column);
  const points = settings.flatMap(({ axes, figures }) => {
    const [own, place] = [figures.get(column), axes.get(axis)];
    return own === undefined || place === undefined ? [] : [{ axes, ...overSeeds(own), step: placeOf(place) }];
  });
  const others = ({ axes }: Pick<Setting, "axes">) =>
    joined([...axes].filter(([name]) => name !== axis).map((pair) => pair.join("=")), ", ") || name;
  const lines = Map.groupBy(points, others);
  if (lines.size > MOST_LINES) {
    const best = Map.groupBy(points, ({ step }) => step).values()
      .map((own) => own.reduce((a, b) => isBetter(column, b.value, a.value) ? b : a));
    lines.clear();
    lines.set("the best of all others", [...best]);
  }
  const runs = [...lines].map(([label, own]) => ({
    label,
    rows: own.sort((a, b) => a.step - b.step).map(({ step, ...own }): LogRow => ({ step, ...withBar(name, own) })),
  }));
  const ticks = areNumbers ? "" : markup` data-ticks="${scriptJson(values)}"`;
  const numbers = values.map(placeOf);
  const isWide = areNumbers && Math.min(...numbers) > 0 && Math.max(...numbers) >= LOG_SPAN * Math.min(...numbers);
  const data = markup`data-runs="${scriptJson(runs)}" data-x="${axis}" data-only="${name}"`;
  return [markup`<div class="charts" ${data}${ticks}${isWide ? markup` data-log` : ""}></div>`];
}
