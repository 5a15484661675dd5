// @ts-types="@types/d3-scale"
import { scaleLinear, scaleLog } from "d3-scale";
// @ts-types="@types/d3-shape"
import { line } from "d3-shape";

/** A curve over the integers x = 0..N-1. */
export interface LineChart {
  /** First line above the chart. */
  readonly title: string;
  /** Second line above the chart, smaller. */
  readonly note: string;
  /** Quantity on the x axis. */
  readonly xLabel: string;
  /** [N]; entries that are not finite, and on a log scale those that are not positive, are left out. */
  readonly values: Float64Array;
  /** Colour of the curve, any that CSS knows. */
  readonly color: string;
  /** Scale of the y axis. */
  readonly scale: "linear" | "log";
  /** Smallest and largest value on the y axis; default: those of `values`. */
  readonly range?: readonly [number, number];
  /** A dashed horizontal line across the chart, drawn if `y` is in range. */
  readonly mark?: { readonly y: number; readonly label: string };
}

/** Options for all charts of a picture. */
export interface LineChartsOptions {
  /** Title of the picture, also for screen readers. */
  readonly title: string;
  /** Description of the picture, for screen readers. */
  readonly description: string;
}

const CHART = { width: 330, height: 340, left: 58, right: 18, top: 92, bottom: 46 };
/** Approximate number of ticks on the y axis. */
const TICKS = { linear: 6, log: 4 };
/** In a chart 254 pixels wide, more points than this cannot be told apart. */
const MAX_POINTS = 400;
/** Part of the axis that stays free beyond the smallest and the largest value. */
const PADDING = 0.04;
/** Greys of text, axis and grid; the text has a contrast of 12:1 on white. */
const [TEXT, AXIS, GRID] = ["#333333", "#767676", "#e3e3e3"];

const THICK = { "stroke-width": 2, "stroke-linejoin": "round" };

/**
 * Draws charts side by side as one SVG. Equal charts give equal bytes: the SVG has no dates and no generated ids, and
 * its coordinates are rounded to 1/100 pixel.
 */
export function lineChartsSvg(charts: readonly LineChart[], { title, description }: LineChartsOptions): string {
  const width = charts.length * CHART.width;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${CHART.height}" viewBox="0 0 ${width} ` +
    `${CHART.height}" role="img" font-family="system-ui, 'DejaVu Sans', Arial, sans-serif" font-size="11" ` +
    `fill="${TEXT}">`,
    element("title", {}, title),
    element("desc", {}, description),
    element("rect", { width, height: CHART.height, fill: "#ffffff" }),
    element("text", { x: CHART.left, y: 26, "font-size": 15, "font-weight": 600 }, title),
    ...charts.flatMap((chart, i) => [`<g transform="translate(${i * CHART.width},0)">`, ...drawChart(chart), "</g>"]),
    "</svg>",
    "",
  ].join("\n");
}

function drawChart(chart: LineChart): string[] {
  const [x0, x1, y0, y1] = [CHART.left, CHART.width - CHART.right, CHART.height - CHART.bottom, CHART.top];
  const last = chart.values.length - 1;
  const x = scaleLinear([0, Math.max(last, 1)], [x0, x1]);
  const points = pickPoints(chart);
  const y = yScale(chart, points.map(([, value]) => value)).range([y0, y1]);
  const [low, high] = y.domain();
  const mark = chart.mark !== undefined && chart.mark.y >= low! && chart.mark.y <= high! ? chart.mark : undefined;
  // A log scale has more ticks than there is room for labels: its own format is empty for the ticks to leave out.
  const shown = y.tickFormat(TICKS[chart.scale]);
  const ticks = y.ticks(TICKS[chart.scale]).filter((value) => shown(value) !== "");
  const curve = line().x(([t]) => round(x(t))).y(([, value]) => round(y(value)));
  return [
    element("text", { x: x0, y: 56, "font-size": 12, "font-weight": 600 }, chart.title),
    element("text", { x: x0, y: 72 }, chart.note),
    ...ticks.flatMap((value) => [
      element("line", { x1: x0, y1: round(y(value)), x2: x1, y2: round(y(value)), stroke: GRID }),
      element("text", { x: x0 - 7, y: round(y(value) + 4), "text-anchor": "end" }, formatNumber(value)),
    ]),
    ...x.ticks(4).filter((t) => Number.isInteger(t) && t <= last).flatMap((t) => [
      element("line", { x1: round(x(t)), y1: y0, x2: round(x(t)), y2: y0 + 5, stroke: AXIS }),
      element("text", { x: round(x(t)), y: y0 + 18, "text-anchor": "middle" }, `${t}`),
    ]),
    element("line", { x1: x0, y1: y0, x2: x1, y2: y0, stroke: AXIS }),
    element("text", { x: (x0 + x1) / 2, y: y0 + 36, "text-anchor": "middle" }, chart.xLabel),
    ...(mark === undefined ? [] : [
      `<g stroke-dasharray="4 3">`,
      element("line", { x1: x0, y1: round(y(mark.y)), x2: x1, y2: round(y(mark.y)), stroke: AXIS }),
      "</g>",
      element("text", { x: x1, y: round(y(mark.y) - 5), "text-anchor": "end" }, mark.label),
    ]),
    // A single value is drawn as a point, since a line through it would be invisible.
    points.length === 1
      ? element("circle", { cx: round(x(points[0]![0])), cy: round(y(points[0]![1])), r: 3, fill: chart.color })
      : element("path", { d: curve(points) ?? "", fill: "none", stroke: chart.color, ...THICK }),
  ];
}

/** Returns at most `MAX_POINTS` entries, evenly spread, including the first and the last that can be drawn. */
function pickPoints({ values, scale }: LineChart): [number, number][] {
  const drawable = [...values.keys()].filter((t) =>
    Number.isFinite(values[t]!) && (scale === "linear" || values[t]! > 0)
  );
  const count = Math.min(drawable.length, MAX_POINTS);
  return Array.from({ length: count }, (_, i) => {
    const t = drawable[count === 1 ? 0 : Math.round(i * (drawable.length - 1) / (count - 1))]!;
    return [t, values[t]!];
  });
}

function yScale({ scale, range }: LineChart, values: readonly number[]) {
  const [low, high] = range ?? (values.length === 0 ? [1, 1] : [Math.min(...values), Math.max(...values)]);
  if (scale === "log") {
    // Equal limits would make an axis of no length.
    const factor = low === high ? 2 : (high / low) ** PADDING;
    return scaleLog([low / factor, high * factor], [0, 1]);
  }
  const margin = low === high ? 1 : (high - low) * PADDING;
  return scaleLinear([low - margin, high + margin], [0, 1]);
}

/** Formats a number to six digits in as few characters as possible: 0.02, 1e-4, -15. */
function formatNumber(value: number): string {
  const short = Number(value.toPrecision(6));
  const small = short !== 0 && (Math.abs(short) < 0.01 || Math.abs(short) >= 1e5);
  return small ? short.toExponential() : `${short}`;
}

function element(name: string, attributes: Readonly<Record<string, string | number>>, content?: string): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${value}"`).join("");
  return content === undefined ? `<${name}${written}/>` : `<${name}${written}>${escape(content)}</${name}>`;
}

function round(coordinate: number): number {
  return Math.round(coordinate * 100) / 100;
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
