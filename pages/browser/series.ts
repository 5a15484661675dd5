import type { LogRow } from "../report/model.ts";
import { byId, css } from "./dom.ts";

/** The log of a run, or figures over another axis than steps. */
export interface Run {
  readonly label: string;
  readonly href?: string | undefined;
  rows: LogRow[];
}

/** Logs that share their charts; `isExact` for figures without noise. */
export interface Group {
  readonly title?: string;
  readonly runs: Run[];
  readonly isExact?: boolean;
}

/** An error bar: its place, and how far it reaches to both sides. */
export type Bar = Readonly<Record<"step" | "value" | "length", number>>;

export interface Line extends Pick<Run, "label" | "href"> {
  readonly values: (number | null)[];
  readonly bars?: readonly Bar[];
  readonly color: string;
  /** The dashes as CSS names them, and as canvases and SVG do. */
  readonly style?: string;
  readonly dash?: number[];
  readonly width?: number;
}

/**
 * Returns means whose memory is a share of the whole axis: as much in a log of few lines as in a long one, and where
 * lines get sparser. They look to both sides, or they would lag behind a loss that falls.
 */
function smooth(steps: readonly number[], values: readonly number[], weight: number): number[] {
  const unit = (steps.at(-1)! - steps[0]!) / 500 || 1;
  const from = (order: readonly number[]) => {
    const means: number[] = [];
    let [mean, share, before] = [0, 0, NaN];
    for (const k of order) {
      const kept = Number.isNaN(before) ? 0 : weight ** (Math.abs(steps[k]! - before) / unit);
      mean = kept * mean + (1 - kept) * values[k]!;
      share = kept * share + (1 - kept);
      means[k] = mean / share;
      before = steps[k]!;
    }
    return means;
  };
  const places = [...values.keys()];
  const [left, right] = [from(places), from(places.toReversed())];
  return places.map((k) => (left[k]! + right[k]!) / 2);
}

/**
 * Colours of settings, and dashes for their seeds. Of more settings than there are names for colours, those that are
 * near each other look alike.
 */
const COLORS = ["--blue", "--orange", "--green", "--purple", "--text", "--gold", "--sky", "--red"];
const DASHES: [style: string, dash: number[]][] = [["solid", []], ["dashed", [12, 9]], ["dotted", [3, 6]]];

export function stylesOf(runs: readonly Run[]) {
  const own = runs.map(({ label }) => label.replace(/~?\bseed=[^~, ]*,? ?/, ""));
  const settings = [...new Set(own)];
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches && !document.documentElement.matches(".paper");
  return own.map((setting, k) => {
    const i = settings.indexOf(setting);
    const hue = Math.round(250 - 230 * i / Math.max(1, settings.length - 1));
    const color = settings.length <= COLORS.length ? css(COLORS[i]!) : `hsl(${hue} 65% ${isDark ? 65 : 40}%)`;
    // Without seeds, dashes keep lines on top of one another visible.
    const place = settings.length === runs.length ? i : own.slice(0, k).filter((one) => one === setting).length;
    const [style, dash] = DASHES[place % DASHES.length]!;
    return { color, style, dash };
  });
}

const TITLES = new Map([["loss", "loss"], ["gradNorm", "gradient norm"], ["learningRate", "learning rate"]]);

/** Returns the title of a chart. The name of a group has the objective after a comma. */
export const titleOf = ({ title = "" }: Group, name: string) =>
  (TITLES.get(name) ?? name) + title.replace(/^[^,]*/, "");

/**
 * Returns a label as a legend shows it: all curves of a legend are of one stage, whose children in a matrix are told
 * apart by the rest of their names.
 */
export const childOf = (label: string) => label.replace(/^[\w-]*~/, "").replaceAll("~", ", ");

const has = (row: LogRow, name: string) => Number.isFinite(row[name]);

/**
 * Returns the names of the figures that have charts. Rows of figures have all names, rows of timesteps those of figures
 * with such a range. One point is no curve.
 */
export function namesOf({ runs, isExact }: Group): string[] {
  const isCurve = (name: string) => runs.some(({ rows }) => rows.filter((row) => has(row, name)).length > 1);
  const all = runs.flatMap(({ rows }) => isExact ? rows.flatMap(Object.keys) : Object.keys(rows.at(-1) ?? {}));
  const names = new Set(all.filter((name) => name !== "step" && name[0] !== "±" && isCurve(name)));
  return [...TITLES.keys().filter((name) => names.delete(name)), ...names].slice(0, 9);
}

/** Returns the lines of a chart: one log is drawn with its noise; several are drawn smoothed, on top of one another. */
export function linesOf({ runs, isExact = false }: Group, name: string) {
  const noisy = name !== "learningRate" && !isExact;
  const log = (noisy || isExact) && (byId<HTMLInputElement>("log-scale")?.checked ?? true);
  const weight = noisy ? Number(byId<HTMLInputElement>("smoothing")!.value) : 0;
  const own = runs.map((run) => ({ ...run, rows: run.rows.filter((row) => has(row, name)) }));
  const x = [...new Set(own.flatMap(({ rows }) => rows.map(({ step }) => step)))].sort((a, b) => a - b);
  const styles = stylesOf(runs);
  const series = own.flatMap(({ label, href, rows }, i): Line[] => {
    const at = (values: readonly number[]) => {
      const found = new Map(rows.map(({ step }, k) => [step, log && values[k]! <= 0 ? null : values[k]!]));
      return x.map((step) => found.get(step) ?? null);
    };
    const raw = rows.map((row) => row[name]!);
    const steps = rows.map(({ step }) => step);
    const own = isExact ? name : weight > 0 ? "smoothed" : "as logged";
    const bars = rows.flatMap((row): Bar[] => {
      const length = row[`±${name}`];
      return length ? [{ step: row.step, value: row[name]!, length }] : [];
    });
    const line = { label: own, values: at(smooth(steps, raw, weight)), bars, ...styles[i]! };
    if (runs.length > 1) return [{ ...line, label, href }];
    const noise = { label: "as logged", values: at(raw), color: `${css("--soft")}66`, width: 1.5 };
    return weight > 0 ? [noise, line] : [line];
  });
  return { log, series, data: [x, ...series.map(({ values }) => values)] as [number[], ...Line["values"][]] };
}
