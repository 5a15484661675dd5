import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { openImages } from "../../artifacts/image_files.ts";
import { readLog } from "../../artifacts/log.ts";
import { readMetrics } from "../../artifacts/metrics.ts";
import type { Metric } from "../../schemas/types.ts";
import type { Values } from "../../science/diffusion/normalizer.ts";
import { lineChartsSvg } from "../../science/pictures/line_charts.ts";
import { suggestName } from "../../std/did_you_mean.ts";
import { escapeMarkup } from "../../std/escape.ts";
import { shortNumber, withDeviation } from "../../std/figures.ts";
import { display, type Forms, type Shown, tableOf } from "./shown.ts";

/** A page or picture on disk is shown up to this size. */
const MOST_BYTES = 64 << 20;

/** Folders of results below that of a pipeline: those of stages, of nested ones, and of their outputs. */
const FOLDERS = "{*,*/*,*/*/*,*/*/*/*}";

/** A set of images or samples. A notebook shows its picture. */
export interface RunImages extends Shown {
  /** Reads all values, [N, H, W, C] row-major, as they are stored, and the number of each image's class, [N]. */
  read(): Promise<
    { shape: readonly [number, number, number, number]; data: Values; labels?: Uint8Array | Uint16Array }
  >;
}

/** The log of a training. A notebook draws its figures. */
export interface RunCurve extends Shown {
  /** The lines of the log, in order. */
  readonly rows: readonly Readonly<Record<string, unknown> & { step: number }>[];
}

/**
 * The results of a pipeline's last run, by name; another name is an error with those there are. A notebook shows the
 * page.
 */
export interface Run extends Shown {
  /** The folder of the results. */
  readonly folder: string;
  /** Sets of images and samples, by stage, or by stage and output: `sample`, `images/train`. */
  readonly images: Readonly<Record<string, RunImages>>;
  /** Figures, by stage. */
  readonly metrics: Readonly<Record<string, readonly Metric[]>> & Shown;
  /** Curves of trainings, by stage. */
  readonly curves: Readonly<Record<string, RunCurve>>;
}

/**
 * Opens the results of a pipeline.
 *
 * @param name the pipeline's name, or the folder of its results
 * @param from where to look for the folder `outputs`: here, or in a folder above. Default: the working directory
 * @throws Error if there are none
 */
export async function openRun(name: string, from: string = Deno.cwd()): Promise<Run> {
  const folder = find(name, resolve(from));
  const places = globSync(`${FOLDERS}/{metrics.json,images.json,log.jsonl}`, { cwd: folder });
  const named = async <T>(file: string, make: (folder: string) => T | Promise<T>): Promise<Record<string, T>> => {
    const found = places.filter((path) => basename(path) === file).map((path) => dirname(path));
    const entries = found.map(async (path) => [path.replaceAll(sep, "/"), await make(join(folder, path))] as const);
    return refuseOthers(Object.fromEntries(await Promise.all(entries)), folder);
  };
  const metrics = await named("metrics.json", async (path) => (await readMetrics(filesOf(path))).metrics);
  return {
    folder,
    images: await named("images.json", imagesIn),
    metrics: Object.assign(metrics, { [display]: () => formsOfMetrics(metrics) }),
    curves: await named("log.jsonl", curveIn),
    [display]: () => formsOfPage(folder),
  };
}

/** A cell shows nothing for undefined, so a misspelt name has to be an error. */
function refuseOthers<T extends object>(results: T, folder: string): T {
  return new Proxy(results, {
    get(target, name, receiver) {
      // Those who show or await any value ask it for these.
      const asked = typeof name === "symbol" || ["then", "toJSON"].includes(name) || Reflect.has(target, name);
      if (asked) return Reflect.get(target, name, receiver);
      throw new Error(`no ${name} in ${folder}. Fix: ${suggestName(name, Object.keys(target))}`);
    },
  });
}

function find(name: string | undefined, from: string): string {
  if (typeof name !== "string") throw new Error('no name given. Fix: openRun("NAME"), NAME being a folder in outputs');
  const given = resolve(from, name);
  if (existsSync(join(given, "report.html"))) return given;
  for (let above = from;; above = dirname(above)) {
    const outputs = join(above, "outputs");
    if (/^[^/\\]+$/.test(name) && existsSync(join(outputs, name))) return join(outputs, name);
    if (above !== dirname(above)) continue;
    throw new Error(
      `no results of "${name}" here or above, in ${from}. Fix: run its pipeline first, or give the folder`,
    );
  }
}

/** Files of a folder, without their digests. */
function filesOf(folder: string) {
  const path = (name: string) => join(folder, name);
  return {
    path,
    files: readdirSync(folder).map((name) => ({ path: name, size: Deno.statSync(path(name)).size, sha256: "" })),
    read: (name: string) => Deno.readFile(path(name)),
    readText: (name: string) => Deno.readTextFile(path(name)),
  };
}

function imagesIn(folder: string): RunImages {
  const png = ["grid.png", "preview.png", "images.png"].map((name) => join(folder, name)).find((path) =>
    existsSync(path)
  );
  return {
    async read() {
      using set = await openImages({ type: "images", digest: "", ...filesOf(folder) });
      const data = set.rows(Array.from({ length: set.shape[0] }, (_, i) => i));
      return { shape: set.shape, data, ...set.labels && { labels: set.labels } };
    },
    [display]: () =>
      png === undefined
        ? { "text/plain": `images without a picture, in ${folder}` }
        : { "image/png": readFileSync(png).toString("base64"), "text/plain": png },
  };
}

async function curveIn(folder: string): Promise<RunCurve> {
  const rows = await readLog(filesOf(folder));
  // A program need not report each figure at each step.
  const named = rows.flatMap((row) => Object.keys(row).filter((name) => typeof row[name] === "number"));
  const names = [...new Set(named)].filter((name) => name !== "step");
  const charts = names.map((title) => {
    const values = Float64Array.from(rows, (row) => Number(row[title] ?? NaN));
    return {
      ...{ title, values, xLabel: "line of the log", color: "#1d5fd1" },
      note: `to step ${rows.at(-1)!.step}`,
      scale: values.every((value) => value > 0) ? "log" as const : "linear" as const,
    };
  });
  const svg = () =>
    lineChartsSvg(charts, { title: "Training", description: `Figures of a training: ${names.join(", ")}` });
  return { rows, [display]: () => ({ "image/svg+xml": svg(), "text/plain": `${rows.length} lines, ${folder}` }) };
}

/** Lists figures over all timesteps and classes, with their deviations. */
function formsOfMetrics(metrics: Readonly<Record<string, readonly Metric[]>>): Forms {
  const rows = Object.entries(metrics).flatMap(([stage, all]) =>
    all.filter(({ timesteps, label }) => timesteps === undefined && label === undefined)
      .map(({ name, value, deviation, count }) => {
        const shown = deviation === undefined ? [shortNumber(value), ""] : withDeviation(value, deviation);
        return [stage, name, ...shown, `${count}`];
      })
  );
  return tableOf(["stage", "figure", "value", "deviation", "images"], rows);
}

function formsOfPage(folder: string): Forms {
  const file = join(folder, "report.html");
  const plain = { "text/plain": folder };
  if (!existsSync(file) || Deno.statSync(file).size > MOST_BYTES) return plain;
  const page = escapeMarkup(readFileSync(file, "utf8"));
  return {
    "text/html":
      `<iframe sandbox="allow-scripts" style="width: 100%; height: 720px; border: 0" srcdoc="${page}"></iframe>`,
    ...plain,
  };
}
