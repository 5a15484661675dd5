import type { ObjectiveName } from "../objectives.ts";
import { endsOf, makeBetas, SCHEDULE_NAMES } from "../schedule/betas.ts";
import type { ScheduleName, ScheduleParameters, ScheduleSpec } from "../schedule/betas.ts";
import type { SchedulerConfig } from "./config_schemas.ts";
import { InterchangeError, type InterchangeProblem } from "./problem.ts";

/** A schedule with every parameter that has a default. */
export type FullScheduleSpec = ScheduleSpec & ScheduleParameters;

interface Chain {
  readonly spec: FullScheduleSpec;
  /** float64 [T] */
  readonly betas: Float64Array;
  readonly objective: ObjectiveName;
}

const PREDICTIONS: Readonly<Partial<Record<ObjectiveName, string>>> = {
  eps: "epsilon",
  x0: "sample",
  v: "v_prediction",
};

/**
 * Returns the reason why no scheduler of diffusers samples from a network with this objective; undefined if one does.
 */
export function objectiveProblem(objective: ObjectiveName): InterchangeProblem | undefined {
  return PREDICTIONS[objective] !== undefined ? undefined : {
    message: "diffusers has no scheduler for a network that predicts the mean of the next step",
    got: `objective ${objective}`,
    wanted: Object.keys(PREDICTIONS).join(", "),
    fix: "train with one of these objectives",
  };
}

/**
 * Returns the chain as a scheduler config: with the library's name for the schedule if there is one, else with its
 * betas. The library's "sigmoid" is a different curve from noiseline's.
 *
 * @param chain a chain whose objective has no `objectiveProblem`
 * @param learned true if the network learned the variance
 */
export function toChainConfig({ spec, betas, objective }: Chain, learned: boolean): SchedulerConfig {
  const { linearStart, linearEnd, timesteps, zeroTerminalSnr = false } = spec;
  const name = libraryName(spec);
  return {
    _class_name: "DDPMScheduler",
    num_train_timesteps: timesteps,
    beta_start: linearStart,
    beta_end: linearEnd,
    beta_schedule: name ?? "linear",
    trained_betas: name === undefined ? [...betas] : null,
    prediction_type: PREDICTIONS[objective]!,
    rescale_betas_zero_snr: name !== undefined && zeroTerminalSnr,
    // Ho et al.'s choice for CIFAR-10, and the default of ancestral sampling in noiseline.
    variance_type: learned ? "learned_range" : "fixed_large",
    clip_sample: true,
    clip_sample_range: 1,
    thresholding: false,
    dynamic_thresholding_ratio: 0.995,
    sample_max_value: 1,
    timestep_spacing: "trailing",
    steps_offset: 0,
  };
}

/** The library's schedules, by its names, and noiseline's name for each. */
const NAMES = { linear: "ho/linear", scaled_linear: "ldm/linear", squaredcos_cap_v2: "ldm/cosine" } as const;

/** Noiseline's second names for the same curves. */
const ALIASES: Partial<Record<ScheduleName, ScheduleName>> = {
  "ldm/sqrt_linear": "ho/linear",
  "ho/quad": "ldm/linear",
};

function libraryName({ name, cosineS }: FullScheduleSpec): string | undefined {
  if (name === "ldm/cosine" && cosineS !== COSINE_S) return undefined;
  return Object.entries(NAMES).find(([, ours]) => ours === (ALIASES[name] ?? name))?.[0];
}

/**
 * Returns the chain of a scheduler config.
 *
 * @param known a schedule that the betas may belong to, tried first
 * @throws InterchangeError if it cannot be expressed in noiseline
 */
export function fromChainConfig(config: SchedulerConfig, known?: FullScheduleSpec): Chain {
  const { beta_schedule: name, prediction_type: prediction, trained_betas: trained } = config;
  const objective = (Object.keys(PREDICTIONS) as ObjectiveName[]).find((key) => PREDICTIONS[key] === prediction);
  if (objective === undefined) {
    return refuse("prediction_type", prediction, Object.values(PREDICTIONS).join(", "));
  }
  if (trained === null && !Object.hasOwn(NAMES, name)) {
    return refuse("beta_schedule", name, `${Object.keys(NAMES).join(", ")}, or trained_betas`);
  }
  const named: FullScheduleSpec = {
    name: NAMES[name as keyof typeof NAMES],
    timesteps: config.num_train_timesteps,
    linearStart: config.beta_start,
    linearEnd: config.beta_end,
    cosineS: COSINE_S,
    ...(config.rescale_betas_zero_snr ? { zeroTerminalSnr: true } : {}),
  };
  if (trained === null) {
    const betas = makeBetas(named);
    // One curve may have two names in noiseline; the name that the network was trained under is kept.
    return { spec: identifyBetas(betas, known === undefined ? [named] : [known, named])!, betas, objective };
  }
  if (config.rescale_betas_zero_snr) {
    return refuse("rescale_betas_zero_snr", "true, with trained_betas", "false: the betas are used as they are");
  }
  if (trained.length !== config.num_train_timesteps) {
    return refuse("trained_betas", `${trained.length} betas`, `${config.num_train_timesteps}`);
  }
  const betas = Float64Array.from(trained);
  const spec = identifyBetas(betas, known === undefined ? [] : [known]);
  return spec === undefined
    ? refuse("trained_betas", `${betas.length} betas`, "those of a schedule that docs/schedules.md has")
    : { spec, betas, objective };
}

function refuse(field: string, got: string, wanted: string): never {
  const message = `the scheduler cannot be expressed here: ${field} of scheduler_config.json`;
  const fix = "none for this checkpoint: its network was trained on another schedule";
  throw new InterchangeError({ message, got, wanted, fix });
}

/**
 * diffusers stores betas as float32, with a rounding error of half a unit in the last place, 6e-8. The file may have
 * been saved by it.
 */
const TOLERANCE = 1e-6;

const DEFAULT_ENDS = { linearStart: 1e-4, linearEnd: 2e-2 } as const;
/** The offset s that is built into the cosine schedule of diffusers, and the default in noiseline. */
const COSINE_S = 8e-3;

/**
 * Finds the schedule that has these betas: one of `candidates`, else one of any name, with ends taken from the betas
 * and other parameters at their defaults; undefined if there is none.
 *
 * @param betas float64 [T], T >= 1
 */
function identifyBetas(
  betas: Float64Array,
  candidates: readonly FullScheduleSpec[],
): FullScheduleSpec | undefined {
  const [first, last] = [betas[0]!, betas.at(-1)!];
  const guesses = SCHEDULE_NAMES.map((name): FullScheduleSpec => {
    const ends = name === "ldm/sqrt"
      ? { linearStart: first ** 2, linearEnd: last ** 2 }
      : { linearStart: first, linearEnd: last };
    const used = Object.fromEntries(endsOf(name).map((end) => [end, ends[end]]));
    return { name, timesteps: betas.length, ...DEFAULT_ENDS, ...used, cosineS: COSINE_S };
  });
  return [...candidates, ...guesses].find((spec) => {
    if (spec.timesteps !== betas.length) return false;
    if (![spec.linearStart, spec.linearEnd].every((end) => end > 0 && end < 1)) return false;
    return makeBetas(spec).every((beta, t) => Math.abs(beta - betas[t]!) <= TOLERANCE * beta);
  });
}
