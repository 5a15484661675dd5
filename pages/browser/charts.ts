import type Plot from "uplot/dist/uPlot.d.ts";
import { figureButtons } from "../report/text.ts";
import { all, byId, css, make } from "./dom.ts";
import { type Bar, childOf, type Group, type Line, linesOf, namesOf, stylesOf, titleOf } from "./series.ts";

/** The library stands in the page before this script. */
declare const uPlot: typeof Plot;

export interface Chart {
  readonly plot: Plot;
  /** The name of its horizontal axis. */
  readonly x: string;
  readonly group: Group;
  readonly name: string;
}

/** The data of the page. */
export const data: Group[] = JSON.parse(byId("data")!.textContent);

/** The charts by their elements, the children of their places. */
export const charts = new WeakMap<Element, Chart>();

// The library's own labels have three decimals at most, and name the ends of a logarithmic axis, which are no round
// numbers.
const short = (value: number) => String(Number(value.toPrecision(4)));
function isRound(value: number): boolean {
  const first = value / 10 ** Math.floor(Math.log10(value));
  return Math.abs(first - Math.round(first)) < 1e-6;
}
function ticksOf(plot: Plot, ticks: readonly (number | null)[], at: number): (string | null)[] {
  const all = ticks.filter((tick) => tick !== null);
  const round = plot.scales[plot.axes[at]!.scale!]!.distr === 3 ? all.filter(isRound) : all;
  const named = round.length > 1 ? round : all;
  return ticks.map((tick) => tick !== null && named.includes(tick) ? short(tick) : null);
}

/** Returns the range of a logarithmic axis: the library finds no end of marks that begin just below a power of ten. */
function logRange(low: number, high: number): Plot.Range.MinMax {
  const end = (round: (value: number) => number, value: number) => {
    const unit = 10 ** Math.floor(Math.log10(value));
    return value > 0 ? round(value / unit) * unit : null;
  };
  return [end(Math.floor, low / 1.1), end(Math.ceil, high * 1.1)];
}

const axis = () => ({
  values: ticksOf,
  stroke: css("--soft"),
  grid: { stroke: css("--line"), width: 1 },
  ticks: { stroke: css("--line") },
});

/** Returns the marks of an axis of words, which has them at 0, 1, 2 ... */
function wordsOf({ dataset: { ticks } }: HTMLElement) {
  if (ticks === undefined) return {};
  const words: string[] = JSON.parse(ticks);
  return {
    splits: () => words.map((_, i) => i),
    values: (_: Plot, splits: number[]) => splits.map((i) => words[i]!),
  };
}

/**
 * Returns the paths of error bars; on a logarithmic axis, some reach below all that it shows.
 * @param at returns the place of a value
 */
export const barPaths = (plot: Plot, bars: readonly Bar[] = [], at: (value: number, axis: "x" | "y") => number) =>
  bars.map(({ step, value, length }) => {
    const [x, low] = [at(step, "x"), at(Math.max(value - length, plot.scales["y"]!.min!), "y")];
    return `M${x} ${low}V${at(value + length, "y")}m-4 0h8M${x - 4} ${low}h8`;
  });

function drawBars(plot: Plot, series: readonly Line[]): void {
  for (const { bars, color } of series) {
    Object.assign(plot.ctx, { strokeStyle: color, lineWidth: 1.5 * devicePixelRatio });
    const paths = barPaths(plot, bars, (value, axis) => plot.valToPos(value, axis, true));
    for (const path of paths) plot.ctx.stroke(new Path2D(path));
  }
}

/** As many charts stand side by side as fit at 300 pixels or more, and none is wider than the page. */
function widthIn(holder: HTMLElement): number {
  const most = holder.dataset["only"] === undefined ? 3 : 1;
  const columns = Math.max(1, Math.min(most, Math.floor((holder.clientWidth + 16) / 316)));
  return Math.max(220, Math.floor((holder.clientWidth + 16) / columns) - 16);
}

/** Draws one legend for all charts of a group. */
function drawLegend(holder: HTMLElement, { runs }: Group): void {
  const legend = make("div", { className: "legend" });
  stylesOf(runs).forEach(({ color, style }, i) => {
    const { label, href } = runs[i]!;
    const textContent = childOf(label);
    const entry = href ? make("a", { textContent, href }) : make("span", { textContent });
    entry.style.setProperty("--mark", `3px ${style} ${color}`);
    legend.append(entry);
  });
  holder.append(legend);
}

const value = (_: Plot, shown: number | null) => shown === null ? "" : short(shown);

function drawChart(holder: HTMLElement, group: Group, name: string): void {
  const element = make("div", { className: "chart" });
  holder.append(element);
  const { log, series, data } = linesOf(group, name);
  const x = holder.dataset["x"] ?? "step";
  const ends = series.flatMap(({ bars = [] }) => bars.flatMap(({ value, length }) => [value - length, value + length]));
  const range = (_: Plot, low: number, high: number) => {
    const [from, to] = [Math.min(low, ...ends.filter((end) => !log || end > 0)), Math.max(high, ...ends)];
    return log ? logRange(from, to) : uPlot.rangeNum(from, to, 0.1, true);
  };
  const plot = new uPlot(
    {
      title: titleOf(group, name),
      width: widthIn(holder),
      height: 260,
      scales: {
        x: { time: false, distr: holder.dataset["log"] === undefined ? 1 : 3 },
        y: { distr: log ? 3 : 1, range },
      },
      hooks: { draw: [(plot) => drawBars(plot, series)] },
      axes: [{ ...axis(), ...wordsOf(holder), label: x, labelSize: 22, size: 40 }, { ...axis(), size: 62 }],
      legend: {
        show: group.runs.length === 1,
        markers: { fill: (_, i) => series[i - 1]?.color ?? "", dash: (_, i) => series[i - 1]?.style ?? "solid" },
      },
      series: [
        { label: x, value },
        ...series.map(({ label, href, color, dash = [], width = 2 }) => ({
          label: href ? make("a", { href, textContent: label }) : label,
          // Gaps are bridged: a missing value is only a step that another run has.
          ...{ stroke: color, dash, width, value, spanGaps: true },
        })),
      ],
    },
    data,
    element,
  );
  charts.set(element, { plot, x, group, name });
  element.insertAdjacentHTML("beforeend", figureButtons(true).text);
}

export function drawIn(holder: HTMLElement): void {
  for (const element of holder.children) charts.get(element)?.plot.destroy();
  holder.replaceChildren();
  const { curve, only, runs } = holder.dataset;
  const group: Group | undefined = runs
    ? { runs: JSON.parse(runs), isExact: true }
    : data.find(({ title }) => title === curve);
  if (group === undefined) return;
  const names = namesOf(group);
  for (const name of names) if (only === undefined || name === only) drawChart(holder, group, name);
  if (names.length > 0 && group.runs.length > 1) drawLegend(holder, group);
}

export const drawAll = () => all(".charts").forEach(drawIn);
