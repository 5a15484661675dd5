import type { FreeObjective, MixtureObjective, Path, TimePoint } from "./define.ts";
import type { Objective } from "./objective.ts";
import { timePoint } from "./path.ts";

/** What a training loss is made of. The defaults are L_simple of Ho et al. 2020. */
export interface LossOptions {
  readonly objective: Objective;
  /** What the times are of. */
  readonly path: Path;
  /**
   * How much each timestep counts. `simple`, the default: all alike (L_simple of Ho et al. 2020, eq. 14, where the noise is
   * predicted). `vlb`: as in the variational bound (eq. 12). `min-snr`: Hang et al. 2023.
   */
  readonly weighting?: "simple" | "vlb" | "min-snr";
  /** Of the reverse step: fixed, which only `vlb` looks at, or `learned` by the network. Default `fixedlarge`. */
  readonly variance?: "fixedlarge" | "fixedsmall" | "learned";
  /** Of `min-snr`, > 0. Default 5, as in the paper. */
  readonly minSnrGamma?: number;
}

/** A number that a step looks up at the time of each image. */
export type Figure = (at: TimePoint) => number;

/** Share of the variational bound in L_hybrid (Nichol & Dhariwal 2021, section 3.1). */
const BOUND_SHARE = 0.001;

/** What the figures of a user's own loss are called among the inputs of a step. */
const OWN_PREFIX = "figure.";

/** The loss of the user's own of an objective; undefined where its target is a mixture. */
export function freeLoss({ definition }: Pick<Objective, "definition">): FreeObjective | undefined {
  return "loss" in definition ? definition : undefined;
}

/** Figures of the user's own loss, by their names there, and what the inputs of a step are called that hold them. */
export function ownFigures({ objective, path }: LossOptions): readonly (readonly [name: string, input: string])[] {
  const figures = freeLoss(objective)?.figures?.(timePoint(path, path.timesteps - 1), objective.params) ?? {};
  return Object.keys(figures).map((name) => [name, OWN_PREFIX + name]);
}

/** Whether a loss needs the tables of a chain. */
export function needsChain({ weighting, variance, objective }: Omit<LossOptions, "path">): boolean {
  return weighting === "vlb" || variance === "learned" || objective.definition.needs === "chain";
}

/** Whether the times of a training lie between the indices of the tables as well. */
export function isBetween(options: LossOptions & { readonly timestepSampler?: "uniform" | "loss-aware" }): boolean {
  return options.path.continuous && options.timestepSampler !== "loss-aware";
}

const byTable = (table: (at: TimePoint) => Float64Array): Figure => (at) => table(at)[at.t]!;

/**
 * The figures that a loss looks up at each image's t, besides those of every step; inputs of its compiled step, by name.
 */
export function lossFigures(options: LossOptions): Readonly<Record<string, Figure>> {
  const { objective, path, weighting = "simple", variance } = options;
  const { definition, params } = objective;
  const free = freeLoss(objective);
  if (free !== undefined) {
    const own = ownFigures(options);
    return Object.fromEntries(
      own.map(([name, input]) => [input, (at) => free.figures!(at, params)[name] ?? NaN]),
    );
  }
  const { target, weight } = definition as MixtureObjective;
  const boundOnly = variance === "learned" && weighting === "vlb";
  const mixture: Readonly<Record<string, Figure>> = {
    targetX0: (at) => target(at, params).x0,
    targetNoise: (at) => target(at, params).noise,
  };
  const lossWeightAt: Figure = (at) => weight === undefined ? lossWeight(at, options) : weight(at, params);
  const learned: Readonly<Record<string, Figure>> = {
    x0FromXt: (at) => objective.recover!(at).x0.xt,
    x0FromOutput: (at) => objective.recover!(at).x0.output,
    posteriorMeanCoef1: byTable(({ path }) => path.tables!.posteriorMeanCoef1),
    posteriorMeanCoef2: byTable(({ path }) => path.tables!.posteriorMeanCoef2),
    minLogVariance: byTable(({ path }) => path.tables!.posteriorLogVarianceClipped),
    maxLogVariance: ({ path, t }) => Math.log(path.tables!.betas[t]!),
    isFirst: ({ t }) => t === 0 ? 1 : 0,
  };
  return {
    ...(isNoise(objective, path) || boundOnly ? {} : mixture),
    ...(weighting === "simple" && weight === undefined || boundOnly ? {} : { lossWeight: lossWeightAt }),
    ...(variance === "learned" ? learned : {}),
    // The mean of a term over t times T is the sum of the terms: the bound.
    ...(variance === "learned" && !boundOnly ? { boundWeight: ({ path }) => BOUND_SHARE * path.timesteps } : {}),
  };
}

/** Whether the target is the noise itself, at all times. */
function isNoise({ definition, params }: Objective, path: Path): boolean {
  return Array.from({ length: path.timesteps }, (_, t) => timePoint(path, t)).every((at) => {
    const target = (definition as MixtureObjective).target(at, params);
    return target.x0 === 0 && target.noise === 1;
  });
}

/** `lossFigures`, and what every training step looks up: factors of x_0 and of the noise in x_t. */
export function stepFigures(options: LossOptions): Readonly<Record<string, Figure>> {
  return {
    sqrtAlphasCumprod: ({ signal }) => signal,
    sqrtOneMinusAlphasCumprod: ({ noise }) => noise,
    ...lossFigures(options),
  };
}

/**
 * Weight of the squared error of a network's prediction at a time.
 *
 * Under `vlb` a weighted mean over pixels is the term of the bound at t in bits per dimension, without the parts that
 * the network cannot change: KL of two Gaussians of fixed variance for t > 0, and at t = 0 the likelihood of a Gaussian
 * that is not cut into bins (the remark below eq. 14). The mean over t times T is then the bound. The same x_0 weighs
 * the same under all objectives. Needs the chain, and t one of its times.
 *
 * Under `min-snr` it is that of x_0, min(SNR, gamma), times the square of what an error of the output makes of x_0. In
 * errors of eps and x_0 by turns, it has a value where the SNR is 0.
 *
 * @returns infinity of noise predicted under `vlb` where A is 0
 */
export function lossWeight(at: TimePoint, options: Omit<LossOptions, "path">): number {
  const { objective, weighting, variance, minSnrGamma = 5 } = options;
  const x0 = () => objective.recover!(at).x0.output ** 2;
  if (weighting === "min-snr") return Math.min(objective.recover!(at).eps.output ** 2, minSnrGamma * x0());
  if (weighting !== "vlb") return 1;
  const { posteriorMeanCoef1, posteriorLogVarianceClipped, fixedLargeLogVariance } = at.path.tables!;
  const logVariances = variance === "fixedsmall" ? posteriorLogVarianceClipped : fixedLargeLogVariance;
  return posteriorMeanCoef1[at.t]! ** 2 * x0() / (2 * Math.exp(logVariances[at.t]!) * Math.LN2);
}
