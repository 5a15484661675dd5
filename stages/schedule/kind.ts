import { z } from "zod";
import { type CheckProblem, type CheckResult, defineKind, type Facts } from "../../engine/contract/stage.ts";
import type { DefinitionProblem, Path } from "../../science/diffusion/define.ts";
import { chainPath, pathFacts, priorKlOfPath } from "../../science/diffusion/path.ts";
import {
  largestFiniteTimesteps,
  pathProblems,
  SEARCH_LIMIT_TIMESTEPS,
  smallestNormalTimesteps,
} from "../../science/diffusion/path_problems.ts";
import { endsOf, makeBetas, rescaleZeroTerminalSnr, scheduleOf } from "../../science/diffusion/schedule/betas.ts";
import type { ScheduleSpec } from "../../science/diffusion/schedule/betas.ts";
import { makeTables, MAX_PRIOR_BITS_PER_DIM } from "../../science/diffusion/schedule/tables.ts";
import { isOwn, type OwnParam } from "../../schemas/definitions.ts";
import { problemsOf } from "../shared/checks.ts";
import { DEFAULT_TIMESTEPS, pathTimesteps, type ScheduleParams, scheduleParams, toScheduleSpec } from "./params.ts";

export const scheduleKind = defineKind({
  kind: "schedule",
  version: 2,
  runs: "inline",
  entry: import.meta.resolve("./run.ts"),
  summary: "A noise schedule: how much noise each timestep adds, and all tables derived from it",
  params: scheduleParams,
  definitions: { "": "path" },
  inputs: {},
  outputs: {
    schedule: { type: "schedule", description: "Betas and all derived tables in float64, with a plot" },
  },
  check: checkSchedule,
});

/**
 * Checks a schedule. Every plan calls this, so the searches for a T that works run only if there is a problem to
 * report.
 */
function checkSchedule(params: ScheduleParams | OwnParam, _inputs: unknown, own?: Readonly<Record<string, Facts>>) {
  if (isOwn(params)) return checkOwn(params, own?.[""]);
  const { betas, timesteps, linearStart, linearEnd } = params;
  if (typeof betas !== "string") return checkBetas(params);
  const spec = toScheduleSpec(params);
  if (timesteps === undefined || spec === undefined) {
    const message = `a schedule by name needs the number of its timesteps, as ${betas} does`;
    return {
      problems: [{ param: ["betas"], message, wanted: "timesteps", fix: `add timesteps: ${DEFAULT_TIMESTEPS}` }],
    };
  }
  if (endsOf(betas).length === 2 && linearStart >= linearEnd) {
    const problem: CheckProblem = {
      param: ["linearEnd"],
      message: "linearEnd must be above linearStart: noise must grow over the timesteps",
      got: `linearStart ${linearStart}, linearEnd ${linearEnd}`,
      wanted: `linearEnd above ${linearStart}`,
      fix: "swap the two, or leave both out for 0.0001 to 0.02",
    };
    return { problems: [problem], facts: { schedule: { timesteps, betas } } };
  }
  const path = chainPath(makeTables(makeBetas(spec)));
  const found = pathProblems(path).map((problem) => withTimesteps(spec, problem));
  const notes = found.length > 0 ? [] : notesOn(spec, path);
  return { problems: found, notes, facts: { schedule: { betas, ...pathFacts(path) } } };
}

const cut = (longest: number) => z.string().overwrite((text) => text.slice(0, longest).replaceAll(/\s+/g, " "));

/** The schema of problems from the process that ran the user's code. */
const pathProblemsSchema = z.array(z.object({
  severity: z.enum(["error", "warning"]).exactOptional(),
  message: cut(1_000),
  got: cut(200),
  wanted: cut(200),
})).max(10);

/** Checks a user's path, from the facts that the contained process reported. */
function checkOwn({ uses, timesteps }: OwnParam, { problems, ...facts }: Facts = { timesteps }): CheckResult {
  if (!pathTimesteps.safeParse(timesteps).success || facts["timesteps"] !== timesteps) {
    const message = `${uses}: its code says that it has other timesteps than it was given`;
    return { problems: [{ param: ["uses"], message, fix: "leave the toolkit's own functions as they are" }] };
  }
  const found = pathProblemsSchema.safeParse(problems).data ?? [];
  return {
    problems: found.map((one) => ({ ...one, param: ["uses"], message: `${uses}: ${one.message}` })),
    facts: { schedule: { ...facts, betas: uses } },
  };
}

/** Checks betas in the pipeline file; betas in a file of their own are checked by the run. */
function checkBetas({ betas, timesteps, zeroTerminalSnr }: ScheduleParams): CheckResult {
  const misplaced = timesteps !== undefined && {
    param: ["timesteps"],
    message: "listed betas say how many timesteps there are",
    fix: "remove timesteps",
  };
  if (!Array.isArray(betas)) return { problems: problemsOf(misplaced) };
  const path = listedPath(Float64Array.from(betas), zeroTerminalSnr);
  return {
    problems: problemsOf(misplaced, pathProblems(path).map((one) => ({ ...one, param: ["betas"] }))),
    facts: { schedule: { betas: "own betas", ...pathFacts(path) } },
  };
}

/** Returns the path of betas that the user lists. @throws RangeError for betas outside (0, 1] */
export function listedPath(betas: Float64Array, zeroTerminalSnr: boolean): Path {
  return chainPath(makeTables(zeroTerminalSnr ? rescaleZeroTerminalSnr(betas) : betas));
}

/** Describes a problem with the path of a named schedule, with the timesteps that work. */
function withTimesteps(spec: ScheduleSpec, { severity = "error", message, got }: DefinitionProblem): CheckProblem {
  const { name, timesteps } = spec;
  const about = { severity, param: ["timesteps"], message: `${name}: ${message}`, got: `timesteps ${timesteps}` };
  if (severity === "error") {
    const largest = largestFiniteTimesteps(spec, Math.min(timesteps, SEARCH_LIMIT_TIMESTEPS));
    const works = largest > 0;
    return {
      ...about,
      message: `${about.message}: ${got}`,
      wanted: works ? `timesteps at most ${largest}` : "smaller betas: no number of timesteps works with these",
      fix: works ? `use timesteps: ${largest} or fewer, or a smaller linearEnd` : "lower linearStart and linearEnd",
    };
  }
  const smallest = smallestNormalTimesteps(spec);
  const limit = SEARCH_LIMIT_TIMESTEPS.toLocaleString("en-US");
  const fixes = [
    ...(smallest === undefined ? [] : [`use timesteps: ${smallest} or more`]),
    ...(endsOf(name).includes("linearEnd") ? ["raise linearEnd"] : []),
    "use another schedule",
  ];
  return {
    ...about,
    wanted: smallest === undefined
      ? `at most 1e-4 bits per dimension, which no number of timesteps up to ${limit} reaches`
      : `at most 1e-4 bits per dimension, which ${smallest} timesteps reach`,
    fix: fixes.join(", or "),
  };
}

/** Notes why a rule of thumb does not matter for this schedule: its purpose is met without it. */
function notesOn({ name, timesteps }: ScheduleSpec, path: Path): string[] {
  const { aboveTimesteps = 0 } = scheduleOf(name);
  if (timesteps > aboveTimesteps) return [];
  const bits = priorKlOfPath(path).toExponential(2);
  return [
    `timesteps ${timesteps} is enough for ${name}, whose rule of thumb is T > ${aboveTimesteps}: x_T keeps ${bits} bits per ` +
    `dimension of the image (L_T), and up to ${MAX_PRIOR_BITS_PER_DIM.toExponential()} counts as pure noise`,
  ];
}
