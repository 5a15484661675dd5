import type { DiffusionTables } from "./tables.ts";

/** A schedule of any length. Defaults: linearStart 1e-4, linearEnd 2e-2, cosineS 8e-3. */
export interface ScheduleShape extends Partial<Omit<ScheduleParameters, "timesteps">> {
  readonly name: ScheduleName;
  /** True to rescale the finished schedule so that it ends in pure noise (Lin et al. 2023). Default false. */
  readonly zeroTerminalSnr?: boolean;
}

export type ScheduleSpec = ScheduleShape & Pick<ScheduleParameters, "timesteps">;

/** Returns the betas of a schedule: float64 [T], each in (0, 1]; the last is 1 if the chain ends in pure noise. */
export function makeBetas(spec: ScheduleSpec): Float64Array {
  const betas = scheduleOf(spec.name).betas({ linearStart: 1e-4, linearEnd: 2e-2, cosineS: 8e-3, ...spec });
  return spec.zeroTerminalSnr === true ? rescaleZeroTerminalSnr(betas) : betas;
}

/**
 * Beta schedules, named after the code that they come from, because the same word means different things elsewhere:
 * `ldm/` is CompVis/latent-diffusion (`make_beta_schedule`), `ho/` is hojonathanho/diffusion (`get_beta_schedule`), and
 * `sigmoid` is Jabri et al. 2022 as in lucidrains/denoising-diffusion-pytorch.
 */

/** Parameters of a schedule. Each schedule uses some of them. */
export interface ScheduleParameters {
  /** T, the number of diffusion steps; an integer >= 1. */
  readonly timesteps: number;
  /** First beta, in (0, 1), or its square; used by the schedules whose `endsOf` includes it. */
  readonly linearStart: number;
  /** Last beta, in (0, 1), or its square; used by the schedules whose `endsOf` includes it. */
  readonly linearEnd: number;
  /** Offset s >= 0 of a cosine (Nichol & Dhariwal 2021, eq. 17). */
  readonly cosineS: number;
}

export type End = "linearStart" | "linearEnd";

/** One schedule and its description. */
interface NamedSchedule {
  /** float64 [T], each in (0, 1] */
  readonly betas: (figures: ScheduleParameters) => Float64Array;
  /** Description in one line, shown to users who choose a schedule or wrote an unknown name. */
  readonly about: string;
  /** The ends that the schedule is made from. Default: both. */
  readonly ends?: readonly End[];
  /** The name that the schedule has only in other code. */
  readonly alias?: string;
  /** Rule of thumb: T should be above this. */
  readonly aboveTimesteps?: number;
}

/** Latent diffusion's schedules need T > 1000 as a rule, so that x_T is normal. See docs/schedules.md. */
const LDM = { aboveTimesteps: 1_000 };

const linear = ({ linearStart, linearEnd, timesteps }: ScheduleParameters) =>
  linspace(linearStart, linearEnd, timesteps);

const linearInRoot = ({ linearStart, linearEnd, timesteps }: ScheduleParameters) =>
  linspace(Math.sqrt(linearStart), Math.sqrt(linearEnd), timesteps).map((root) => root * root);

/** Linear in beta over the first fraction of the chain, then constant. */
const warmup = (fraction: number) => ({ linearStart, linearEnd, timesteps }: ScheduleParameters) => {
  const betas = new Float64Array(timesteps).fill(linearEnd);
  betas.set(linspace(linearStart, linearEnd, Math.trunc(timesteps * fraction)));
  return betas;
};

/** A = cos^2((t / T + s) / (1 + s) pi / 2) up to a factor: Nichol & Dhariwal 2021, eq. 17. */
const cosine = ({ timesteps, cosineS }: ScheduleParameters) =>
  signalBetas(timesteps, (u) => Math.cos((u + cosineS) / (1 + cosineS) * Math.PI / 2) ** 2);

/** A falls as a logistic curve: Jabri et al. 2022 (arXiv 2212.11972), as in denoising-diffusion-pytorch. */
const sigmoid = ({ timesteps }: ScheduleParameters) =>
  signalBetas(timesteps, (u) => logistic(SIGMOID_END) - logistic(SIGMOID_START + u * (SIGMOID_END - SIGMOID_START)));

const IN_ROOT = 'and the "scaled_linear" of diffusers: linear in sqrt(beta)';

/** The built-in schedules. */
const SCHEDULES = {
  "ldm/linear": { ...LDM, betas: linearInRoot, alias: "scaled_linear", about: `the same as ho/quad ${IN_ROOT}` },
  "ldm/cosine": {
    ...LDM,
    betas: cosine,
    ends: [],
    alias: "squaredcos_cap_v2",
    about: 'Nichol and Dhariwal 2021, the "squaredcos_cap_v2" of diffusers',
  },
  "ldm/sqrt_linear": {
    ...LDM,
    betas: linear,
    about: 'the same as ho/linear and the "linear" of diffusers: linear in beta',
  },
  "ldm/sqrt": {
    ...LDM,
    betas: (figures) => linear(figures).map(Math.sqrt),
    about: "root of a line from linearStart to linearEnd",
  },
  "ho/linear": {
    betas: linear,
    about: 'Ho et al. 2020, the same as ldm/sqrt_linear and the "linear" of diffusers: linear in beta',
  },
  "ho/quad": { betas: linearInRoot, about: `Ho et al. 2020, the same as ldm/linear ${IN_ROOT}` },
  "ho/warmup10": { betas: warmup(0.1), about: "linear in beta over the first 10 %, then constant" },
  "ho/warmup50": { betas: warmup(0.5), about: "linear in beta over the first 50 %, then constant" },
  "ho/const": {
    betas: ({ timesteps, linearEnd }) => new Float64Array(timesteps).fill(linearEnd),
    ends: ["linearEnd"],
    about: "linearEnd throughout",
  },
  "ho/jsd": {
    betas: ({ timesteps }) => Float64Array.from({ length: timesteps }, (_, t) => 1 / (timesteps - t)),
    ends: [],
    about: "1/T, 1/(T-1), ..., 1; ends in pure noise",
  },
  "sigmoid": { betas: sigmoid, ends: [], about: "Jabri et al. 2022, from -3 to 3" },
} satisfies Readonly<Record<string, NamedSchedule>>;

export type ScheduleName = keyof typeof SCHEDULES;

export const SCHEDULE_NAMES = Object.keys(SCHEDULES) as ScheduleName[];

/** Returns a schedule by its name. */
export function scheduleOf(name: ScheduleName): NamedSchedule {
  return SCHEDULES[name];
}

/** Returns those of `linearStart` and `linearEnd` that a schedule is made from. */
export function endsOf(name: ScheduleName): readonly End[] {
  return scheduleOf(name).ends ?? ["linearStart", "linearEnd"];
}

/**
 * Computes each number from the nearer end, as torch.linspace does, so that both ends are exact. One point is the
 * start.
 */
function linspace(start: number, end: number, count: number): Float64Array {
  const step = count > 1 ? (end - start) / (count - 1) : 0;
  return Float64Array.from(
    { length: count },
    (_, i) => i < count / 2 ? start + step * i : end - step * (count - 1 - i),
  );
}

/**
 * Nichol & Dhariwal 2021, section 3.2: without this upper bound of beta, the chain would have a singular step at its
 * end.
 */
const MAX_BETA = 0.999;

/** The default range of the logistic curve in lucidrains/denoising-diffusion-pytorch; its tau is 1. */
const SIGMOID_START = -3;
const SIGMOID_END = 3;

/** Computes betas from the signal that is left at t / T: float64 [T], at most `MAX_BETA`. */
function signalBetas(timesteps: number, signal: (u: number) => number): Float64Array {
  const at = (t: number) => signal(t / timesteps);
  return Float64Array.from({ length: timesteps }, (_, t) => Math.min(1 - at(t + 1) / at(t), MAX_BETA));
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/**
 * Shifts and scales sqrt(A) so that its last entry is 0 and its first is unchanged (Lin et al. 2023, algorithm 1): x_T
 * is then pure noise, as at the start of sampling. The last beta becomes 1. With T = 1, the first is the last: beta 1.
 *
 * After rescaling, the ratio r of neighbouring sqrt(A) is 1 - d, where d is the step of sqrt(A) divided by the distance
 * of the previous sqrt(A) from the last. From d, beta = 1 - r^2 = d (2 - d) keeps the digits that 1 - A_t / A_{t-1}
 * would cancel.
 *
 * @param betas float64 [T], each in (0, 1]
 * @returns float64 [T], each in (0, 1]
 */
export function rescaleZeroTerminalSnr(betas: Float64Array): Float64Array {
  const roots = new Float64Array(betas.length);
  betas.reduce((product, beta, t) => roots[t] = product * Math.sqrt(1 - beta), 1);
  const last = roots.at(-1)!;
  return betas.map((beta, t) => {
    if (t === betas.length - 1) return 1;
    if (t === 0) return beta;
    const before = roots[t - 1]!;
    // If float64 has no signal left, there is nothing to rescale, and the division would be 0 / 0.
    if (before === last) return beta;
    const step = before * beta / (1 + Math.sqrt(1 - beta));
    const d = step / (before - last);
    return d * (2 - d);
  });
}

/**
 * True if x_T holds nothing of x_0: the last beta is 1. Noise predicted there says nothing about x_0 (1 / A is
 * infinite), so that a network must predict x_0 or v.
 */
export function hasZeroTerminalSnr({ betas }: Pick<DiffusionTables, "betas">): boolean {
  return betas.at(-1) === 1;
}
