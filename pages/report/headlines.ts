import { knownMetric, METRICS } from "../../artifacts/metric_table.ts";
import type { Metric } from "../../artifacts/metrics.ts";
import { meanOverSeeds, shortNumber, withDeviation } from "../../std/figures.ts";
import type { ReportMetrics } from "./model.ts";
import { axesOf, copyButton, entryOf, type Html, joined, markup } from "./text.ts";

const HEADS = METRICS.filter(({ heads }) => heads !== false);
const MOST_HEADLINES = 3;

/** Returns the place of a figure among those that head a page; those without a meaning come last. */
export function rankOf(column: string): number {
  const place = HEADS.findIndex(({ pattern }) => pattern.test(nameIn(column)));
  return place < 0 ? HEADS.length : place;
}

/** Returns true if a figure with value `a` is better than with `b`; never for figures that are neither. */
export function isBetter(column: string, a: number, b: number): boolean {
  const goal = knownMetric(nameIn(column))?.best;
  return goal === "lowest" ? a < b : goal === "highest" && a > b;
}

/** Returns the name of the figure in a column's, which begins with the stage. */
export function nameIn(column: string): string {
  return column.slice(column.indexOf(" ") + 1);
}

/** Returns the figures over all timesteps and labels, each with its stage as title. */
export function overallFigures(metrics: readonly ReportMetrics[]) {
  return metrics.flatMap(({ title, record }) => record.metrics.map((metric) => ({ title, ...metric })))
    .filter(({ timesteps, label }) => timesteps === undefined && label === undefined);
}

/** Returns the figures that head a page: of single stages, or means over seeds. */
export function headlines(metrics: readonly ReportMetrics[]): Html[] {
  const figures = overallFigures(metrics);
  const cards = HEADS.flatMap(({ pattern, meaning }) => {
    const last = figures.findLast(({ name }) => pattern.test(name));
    const own = figures.filter(({ name, title }) => name === last?.name && entryOf(title) === entryOf(last.title));
    if (last === undefined || own.some(({ title }) => axesOf(title).keys().some((axis) => axis !== "seed"))) return [];
    const seeds = own.length > 1 ? `Mean of ${own.length} seeds, with their deviation (n - 1).` : undefined;
    const [value, spread] = summarize(own);
    const basis = joined([betterOf(last.name), `N = ${last.count}`], ", ");
    // It is shown where a pointer or the keyboard's focus is, and is always there for screen readers.
    const more = joined([`${meaning}.`, seeds, last.note && `${last.note}.`], " ");
    return markup`<div><dt>${last.name}</dt><dd>${copyButton(value, `${value} ${spread}`.trim())}
<small>${spread}</small></dd><dd class="basis">${basis}</dd><dd class="meaning">${more}</dd></div>`;
  });
  return cards.length === 0 ? [] : [markup`<dl class="headlines">${cards.slice(0, MOST_HEADLINES)}</dl>`];
}

/** A figure's value, with its deviation if it has one. */
export type Measured = Pick<Metric, "value" | "deviation">;

/** Returns one value with its deviation, or the mean over seeds with theirs. */
export function overSeeds(figures: readonly Measured[]): Measured {
  return figures.length === 1 ? figures[0]! : meanOverSeeds(figures.map(({ value }) => value));
}

/** Returns the same as texts. */
export function summarize(
  figures: readonly Measured[],
): readonly [value: string, spread: string] {
  const { value, deviation } = overSeeds(figures);
  return deviation ? withDeviation(value, deviation) : [shortNumber(value), ""];
}

/** Says which values of a figure are better, if any are. */
export function betterOf(name: string): string | undefined {
  const goal = knownMetric(name)?.best;
  return goal && `${goal === "lowest" ? "lower" : "higher"} is better`;
}
