import { type CheckProblem, type CheckResult, defineKind } from "../../contract/stage.ts";
import { makeBetas, type ScheduleSpec } from "../../diffusion/schedule/betas.ts";
import { tablesFiniteInFloat32 } from "../../diffusion/schedule/finite.ts";
import { endsOf } from "../../diffusion/schedule/names.ts";
import { priorKlBitsPerDim } from "../../diffusion/schedule/prior.ts";
import {
  largestFiniteTimesteps,
  SEARCH_LIMIT_TIMESTEPS,
  smallestNormalTimesteps,
} from "../../diffusion/schedule/search.ts";
import { type DiffusionTables, makeTables } from "../../diffusion/schedule/tables.ts";
import { hasZeroTerminalSnr } from "../../diffusion/schedule/zero_terminal_snr.ts";
import { type ScheduleParams, scheduleParams, toScheduleSpec } from "./params.ts";

export const scheduleKind = defineKind({
  kind: "schedule",
  version: 2,
  runs: "inline",
  entry: import.meta.resolve("./run.ts"),
  summary: "A noise schedule: how much noise each timestep adds, and all tables derived from it",
  params: scheduleParams,
  inputs: {},
  outputs: {
    schedule: { type: "schedule", description: "Betas and all derived tables in float64, with a plot" },
  },
  check: checkSchedule,
});

/** Prior KL above this is noticed: samplers start from N(0, I), and training must have seen that. Ho et al.: 1e-5. */
const MAX_PRIOR_BITS_PER_DIM = 1e-4;
/** "T must be > 1000, so that x_T is normal": the rule for the schedules of latent diffusion. See docs/schedules.md. */
const shortestByRule = ({ name }: ScheduleSpec): number => name.startsWith("ldm/") ? 1_001 : 1;

/** Every plan calls this: the searches for a T that works run only when there is something to report. */
function checkSchedule(params: ScheduleParams): CheckResult {
  const { betas, timesteps, linearStart, linearEnd } = params;
  const known = { timesteps, betas };
  if (endsOf(betas).length === 2 && linearStart >= linearEnd) {
    const problem: CheckProblem = {
      param: ["linearEnd"],
      message: "linearEnd must be above linearStart: noise must grow over the timesteps",
      got: `linearStart ${linearStart}, linearEnd ${linearEnd}`,
      wanted: `linearEnd above ${linearStart}`,
      fix: "swap the two, or leave both out for 0.0001 to 0.02",
    };
    return { problems: [problem], facts: { schedule: known } };
  }
  const spec = toScheduleSpec(params);
  const tables = makeTables(makeBetas(spec));
  const problem = notFinite(spec, tables) ?? notNormal(spec, tables) ?? tooShort(spec, tables);
  return {
    problems: problem === undefined ? [] : [problem],
    facts: { schedule: { ...known, zeroTerminalSnr: hasZeroTerminalSnr(tables) } },
  };
}

function notFinite(spec: ScheduleSpec, tables: DiffusionTables): CheckProblem | undefined {
  const entry = tablesFiniteInFloat32(tables);
  if (entry === undefined) return undefined;
  const largest = largestFiniteTimesteps(spec, Math.min(spec.timesteps, SEARCH_LIMIT_TIMESTEPS));
  const works = largest > 0;
  return {
    param: ["timesteps"],
    message: `${spec.name} with ${spec.timesteps} timesteps leaves too little signal for 32-bit numbers: ` +
      `${entry.table} at t=${entry.t} is ${entry.value}`,
    got: `timesteps ${spec.timesteps}`,
    wanted: works ? `timesteps at most ${largest}` : "smaller betas: no number of timesteps works with these",
    fix: works ? `use timesteps: ${largest} or fewer, or a smaller linearEnd` : "lower linearStart and linearEnd",
  };
}

function notNormal(spec: ScheduleSpec, tables: DiffusionTables): CheckProblem | undefined {
  const bits = priorKlBitsPerDim(tables);
  if (bits <= MAX_PRIOR_BITS_PER_DIM) return undefined;
  const normal = smallestNormalTimesteps(spec, MAX_PRIOR_BITS_PER_DIM);
  const smallest = normal && Math.max(normal, shortestByRule(spec));
  const limit = SEARCH_LIMIT_TIMESTEPS.toLocaleString("en-US");
  const fixes = [
    ...(smallest === undefined ? [] : [`use timesteps: ${smallest} or more`]),
    ...(endsOf(spec.name).includes("linearEnd") ? ["raise linearEnd"] : []),
    "use another schedule",
  ];
  return {
    severity: "warning",
    param: ["timesteps"],
    message: "the schedule ends before the image has become noise, but sampling starts from pure noise: x_T keeps " +
      `${bits.toExponential(2)} bits per dimension of the image`,
    got: `timesteps ${spec.timesteps}`,
    wanted: smallest === undefined
      ? `at most 1e-4 bits per dimension, which no number of timesteps up to ${limit} reaches`
      : `at most 1e-4 bits per dimension, which ${smallest} timesteps reach`,
    fix: fixes.join(", or "),
  };
}

function tooShort(spec: ScheduleSpec, tables: DiffusionTables): CheckProblem | undefined {
  if (spec.timesteps >= shortestByRule(spec)) return undefined;
  return {
    severity: "warning",
    param: ["timesteps"],
    message: "the rule for latent diffusion's schedules is T > 1000, so that x_T is normal",
    got: `timesteps ${spec.timesteps} (L_T: only ${priorKlBitsPerDim(tables).toExponential(2)} bits per dimension)`,
    wanted: "timesteps above 1000",
    fix: "use timesteps: 1250; more timesteps cost no time unless all of them are sampled",
  };
}
