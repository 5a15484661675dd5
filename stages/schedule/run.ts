import { basename } from "node:path";
import { checked, jsonText } from "../../artifacts/record.ts";
import {
  encodeTables,
  nameOf,
  PLOT_FILE,
  SCHEDULE_FILE,
  scheduleFileSchema,
  type StoredPath,
  TABLES_FILE,
} from "../../artifacts/schedule.ts";
import type { ContextOf, RunOf, StageEnd } from "../../contract/stage.ts";
import type { DefinitionProblem, Path } from "../../diffusion/define.ts";
import { chainPath, priorKlOfPath, snrOf, tableOf } from "../../diffusion/path.ts";
import { pathProblems } from "../../diffusion/path_problems.ts";
import { makeBetas } from "../../diffusion/schedule/betas.ts";
import { makeTables } from "../../diffusion/schedule/tables.ts";
import { lineChartsSvg } from "../../formats/line_charts.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { isError } from "../shared/checks.ts";
import { makeOwnPath } from "../shared/describe_path.ts";
import { readNamedFile } from "../shared/named_file.ts";
import { ownNamed } from "../shared/own.ts";
import { failedBy } from "../shared/run_of.ts";
import { readBetas } from "./betas_file.ts";
import { listedPath, type scheduleKind } from "./kind.ts";
import { MAX_TIMESTEPS, toScheduleSpec } from "./params.ts";

type Context = ContextOf<typeof scheduleKind>;

export default (async (context) => {
  const made = await makePath(context);
  if ("status" in made) return made;
  const { spec, path } = made;
  const { timesteps } = path;
  const snr = snrOf(path);
  const file = {
    spec,
    timesteps,
    priorKlBitsPerDim: priorKlOfPath(path),
    snr: { first: snr[0]!, last: snr[timesteps - 1]! },
  };
  const { schedule } = context.outputs;
  await schedule.write(SCHEDULE_FILE, jsonText(scheduleFileSchema.parse(file)));
  await schedule.write(TABLES_FILE, encodeTables(path));
  const zero = "zeroTerminalSnr" in spec && spec.zeroTerminalSnr;
  await schedule.write(PLOT_FILE, plotSchedule(zero ? `${nameOf(spec)} with zero terminal SNR` : nameOf(spec), path));
  return undefined;
}) satisfies RunOf<typeof scheduleKind>;

async function makePath(context: Context): Promise<StoredPath | StageEnd> {
  const { params, definitions } = context;
  if (isOwn(params)) {
    const { uses, definition, record, params: { timesteps, ...own } } = ownNamed("path", params, definitions);
    const { path, problems } = makeOwnPath(definition, { ...own, timesteps });
    if (path === undefined) return failedBy(about(uses, problems[0]!));
    return held(uses, { spec: { ...record, params: own, timesteps: path.timesteps }, path }, problems);
  }
  const spec = toScheduleSpec(params);
  if (spec !== undefined) return { spec, path: chainPath(makeTables(makeBetas(spec))) };
  const { betas, zeroTerminalSnr } = params;
  if (typeof betas === "string") throw new Error("Cannot happen: a schedule by name has timesteps");
  if (Array.isArray(betas)) return listed("betas", Float64Array.from(betas), zeroTerminalSnr);
  const file = await readNamedFile(
    { ...context, params: betas, externals: { path: context.externals[PATH_PARAM]! } },
    undefined,
    MAX_FILE_BYTES,
  );
  const name = basename(betas.path);
  if (!("bytes" in file)) return file;
  const made = listed(name, readBetas(name, file.bytes), zeroTerminalSnr);
  if ("path" in made) pathProblems(made.path).forEach((one) => context.warn(about(name, one).message));
  return made;
}

/** The place of a file of betas in the params, as its digest is called. */
const PATH_PARAM = 'betas["path"]';
/** A number takes at most 24 characters, and some go between two. */
const MAX_FILE_BYTES = MAX_TIMESTEPS * 32;

function listed(name: string, betas: Float64Array, zeroTerminalSnr: boolean): StoredPath | StageEnd {
  const path = checked(name, () => listedPath(betas, zeroTerminalSnr));
  const spec = { betas: "own" as const, timesteps: path.timesteps, ...(zeroTerminalSnr ? { zeroTerminalSnr } : {}) };
  return held(name, { spec, path }, pathProblems(path));
}

/** A path that is one, or how the stage ends without. */
function held(file: string, made: StoredPath, problems: readonly DefinitionProblem[]): StoredPath | StageEnd {
  const error = problems.find(isError);
  return error === undefined ? made : failedBy(about(file, error));
}

function about(file: string, problem: DefinitionProblem): DefinitionProblem {
  return { ...problem, message: `${file}: ${problem.message}` };
}

/** Colours of Okabe and Ito 2008, which people with any colour vision can tell apart. */
const [BLUE, VERMILION, GREEN] = ["#0072b2", "#d55e00", "#009e73"];
const X_LABEL = "timestep t";

/** A picture of a path, as SVG, by timestep: betas and alphasCumprod of a chain, else signal and noise; and log-SNR. */
export function plotSchedule(label: string, path: Path): string {
  const { tables, timesteps, continuous } = path;
  const logSnr = snrOf(path).map(Math.log);
  const prior = shortNumber(priorKlOfPath(path));
  const { signal, noise } = tableOf(path);
  const chain = continuous ? undefined : tables;
  const kept = chain?.alphasCumprod ?? signal;
  const first = chain === undefined
    ? { title: "noise", note: ends(noise), values: noise, scale: "linear" as const }
    : { title: "beta", note: `log scale; ${ends(chain.betas)}`, values: chain.betas, scale: "log" as const };
  return lineChartsSvg([
    { ...first, xLabel: X_LABEL, color: BLUE },
    {
      title: chain === undefined ? "signal" : "alphasCumprod, the signal that is left",
      note: ends(kept),
      xLabel: X_LABEL,
      values: kept,
      color: VERMILION,
      scale: "linear",
      range: [0, 1],
    },
    {
      title: chain === undefined ? "log-SNR, 2 ln(signal / noise)" : "log-SNR, ln(A / (1 - A))",
      note: ends(logSnr),
      xLabel: X_LABEL,
      values: logSnr,
      color: GREEN,
      scale: "linear",
      mark: { y: 0, label: "SNR = 1" },
    },
  ], {
    title: `${label}, T = ${timesteps}; prior KL ${prior} bits per dimension`,
    description: `Three charts over the timesteps of a noise schedule. ${first.title}: ${ends(first.values)}. ` +
      `${chain === undefined ? "signal" : "alphasCumprod"}: ${
        ends(kept)
      }. Natural logarithm of the signal to noise ratio: ${ends(logSnr)}.`,
  });
}

function ends(values: Float64Array): string {
  const [first, last] = [shortNumber(values[0]!), shortNumber(values.at(-1)!)];
  return first === last ? `${first} throughout` : `from ${first} to ${last}`;
}

/** Three digits, and words where there are none. */
function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return value < 0 ? "minus infinity" : "infinity";
  const short = Number(value.toPrecision(3));
  return short !== 0 && Math.abs(short) < 0.01 ? short.toExponential() : `${short}`;
}
