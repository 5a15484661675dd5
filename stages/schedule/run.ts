import { basename } from "node:path";
import { z } from "zod";
import { checked, parseJson, parseRecord } from "../../artifacts/record.ts";
import { nameOf, writeSchedule } from "../../artifacts/schedule.ts";
import type { ContextOf, RunOf, StageEnd } from "../../engine/contract/stage.ts";
import type { Path } from "../../science/diffusion/define.ts";
import { chainPath, definedPath, priorKlOfPath, snrOf, tableOf } from "../../science/diffusion/path.ts";
import { pathProblems } from "../../science/diffusion/path_problems.ts";
import { makeBetas } from "../../science/diffusion/schedule/betas.ts";
import { makeTables } from "../../science/diffusion/schedule/tables.ts";
import { FormatError } from "../../science/formats/format_error.ts";
import { type LineChart, lineChartsSvg } from "../../science/pictures/line_charts.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { failedBy, isError } from "../shared/checks.ts";
import { readNamedFile } from "../shared/named_file.ts";
import { definitionByFile } from "../shared/own_definitions.ts";
import { listedPath, type scheduleKind } from "./kind.ts";
import { MAX_TIMESTEPS, toScheduleSpec } from "./params.ts";

type Context = ContextOf<typeof scheduleKind>;

export default (async (context) => {
  const made = await makePath(context);
  if ("status" in made) return made;
  const { of, spec, path, isFile = false } = made;
  const problems = pathProblems(path);
  // The check already reports problems of other schedules before anything runs.
  if (isFile) problems.forEach(({ message }) => context.warn(`${of}: ${message}`));
  const error = problems.find(isError);
  if (error !== undefined) return failedBy({ ...error, message: `${of}: ${error.message}` });
  const zero = "zeroTerminalSnr" in spec && spec.zeroTerminalSnr;
  const plot = plotSchedule(zero ? `${nameOf(spec)} with zero terminal SNR` : nameOf(spec), path);
  await writeSchedule(context.outputs.schedule, spec, { path, plot });
  return undefined;
}) satisfies RunOf<typeof scheduleKind>;

/** Makes the path. `of` says in messages where its problems are: a file or a param. */
async function makePath(context: Context) {
  const { params, definitions } = context;
  if (isOwn(params)) {
    const { uses, definition, record, params: { timesteps, ...own } } = definitionByFile("path", params, definitions);
    const path = definedPath(definition, own, timesteps as number);
    const spec = { ...record, params: own, timesteps: path.timesteps };
    return { of: uses, spec, path };
  }
  const spec = toScheduleSpec(params);
  if (spec !== undefined) return { of: spec.name, spec, path: chainPath(makeTables(makeBetas(spec))) };
  const { betas, zeroTerminalSnr } = params;
  if (typeof betas === "string") throw new Error("Cannot happen: a schedule by name has timesteps");
  const of = Array.isArray(betas) ? "betas" : basename(betas.path);
  let path: Path;
  try {
    const listed = Array.isArray(betas) ? betas : await readBetas(context, betas.path);
    if ("status" in listed) return listed;
    path = checked(of, () => listedPath(Float64Array.from(listed), zeroTerminalSnr));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const fix = `correct ${of}: a list of betas, each above 0 and at most 1`;
    return { status: "failed" as const, message: error.message, fix };
  }
  const own = { betas: "own" as const, timesteps: path.timesteps, ...(zeroTerminalSnr ? { zeroTerminalSnr } : {}) };
  return { of, spec: own, path, isFile: of !== "betas" };
}

/** The name of the file's digest among the externals: the place of its path in the params. */
const PARAM = 'betas["path"]';
/** A number takes at most 24 characters, and there are some between two numbers. */
const MAX_BYTES = MAX_TIMESTEPS * 32;

/**
 * Reads betas from a file: a list in JSON. `makeTables` checks their values.
 *
 * @throws FormatError for a file that is not such a list
 */
async function readBetas(context: Context, path: string): Promise<number[] | StageEnd> {
  const externals = { path: context.externals[PARAM]! };
  const file = await readNamedFile({ ...context, params: { path }, externals }, undefined, MAX_BYTES);
  if ("status" in file) return file;
  const name = basename(path);
  const listed = parseJson(name, new TextDecoder().decode(file.bytes));
  return parseRecord(name, listed, z.array(z.number()).max(MAX_TIMESTEPS));
}

/** Colours of Okabe and Ito 2008, which people with any colour vision can tell apart. */
const [BLUE, VERMILION, GREEN] = ["#0072b2", "#d55e00", "#009e73"];
const X_LABEL = "timestep t";

/** Plots a path by timestep, as SVG: betas and alphasCumprod of a chain, else noise and signal; and log-SNR. */
export function plotSchedule(label: string, path: Path): string {
  const { timesteps, tables, continuous } = path;
  const chain = continuous ? undefined : tables;
  const signal = chain === undefined
    ? { title: "signal", values: tableOf(path).signal, ratio: "2 ln(signal / noise)" }
    : { title: "alphasCumprod, the signal that is left", values: chain.alphasCumprod, ratio: "ln(A / (1 - A))" };
  const charts = [
    chain === undefined
      ? chart("noise", tableOf(path).noise, BLUE)
      : chart("beta", chain.betas, BLUE, { note: `log scale; ${ends(chain.betas)}`, scale: "log" }),
    chart(signal.title, signal.values, VERMILION, { range: [0, 1] }),
    chart(`log-SNR, ${signal.ratio}`, snrOf(path).map(Math.log), GREEN, { mark: { y: 0, label: "SNR = 1" } }),
  ];
  const said = charts.slice(0, 2).map(({ title, values }) => `${title.replace(/,.*/, "")}: ${ends(values)}`);
  return lineChartsSvg(charts, {
    title: `${label}, T = ${timesteps}; prior KL ${shortNumber(priorKlOfPath(path))} bits per dimension`,
    description: `Three charts over the timesteps of a noise schedule. ${said.join(". ")}. ` +
      `Natural logarithm of the signal to noise ratio: ${ends(charts[2]!.values)}.`,
  });
}

function chart(title: string, values: Float64Array, color: string, more: Partial<LineChart> = {}): LineChart {
  return { title, note: ends(values), xLabel: X_LABEL, values, color, scale: "linear", ...more };
}

function ends(values: Float64Array): string {
  const [first, last] = [shortNumber(values[0]!), shortNumber(values.at(-1)!)];
  return first === last ? `${first} throughout` : `from ${first} to ${last}`;
}

/** Formats a number with three digits, and infinity as a word. */
function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return value < 0 ? "minus infinity" : "infinity";
  const short = Number(value.toPrecision(3));
  return short !== 0 && Math.abs(short) < 0.01 ? short.toExponential() : `${short}`;
}
