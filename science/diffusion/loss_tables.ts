import type { FreeObjective, MixtureObjective, Path, TimePoint } from "./define.ts";
import type { ValueForm } from "./normalizer.ts";
import type { Objective } from "./objective.ts";
import { timePoint } from "./path.ts";

/** Settings of a training loss. The defaults are L_simple of Ho et al. 2020. */
export interface LossOptions {
  readonly objective: Objective;
  /** The path of the times. */
  readonly path: Path;
  /**
   * Weights of the timesteps. `simple`, the default: all equal (L_simple of Ho et al. 2020, eq. 14, if the noise is
   * predicted). `vlb`: as in the variational bound (eq. 12). `min-snr`: Hang et al. 2023.
   */
  readonly weighting?: "simple" | "vlb" | "min-snr";
  /**
   * Variance of the reverse step: fixed, which matters only for `vlb`, or `learned` by the network. Default
   * `fixedlarge`.
   */
  readonly variance?: "fixedlarge" | "fixedsmall" | "learned";
  /** The form of the images, whose integers have a learned variance's L_0. Default: bytes. */
  readonly form?: ValueForm;
  /** Gamma of `min-snr`, > 0. Default 5, as in the paper. */
  readonly minSnrGamma?: number;
}

/** A function of the time that a step evaluates for each image. */
type Figure = (at: TimePoint) => number;

/** Factor of the variational bound in L_hybrid (Nichol & Dhariwal 2021, section 3.1). */
const BOUND_SHARE = 0.001;

/** Prefix of the names that the figures of a user-defined loss have among the inputs of a step. */
const OWN_PREFIX = "figure.";

/** Returns an objective's user-defined loss; undefined if its target is a mixture. */
export function freeLoss({ definition }: Pick<Objective, "definition">): FreeObjective | undefined {
  return "loss" in definition ? definition : undefined;
}

/** Returns the names of the figures of a user-defined loss, each with the name of the step's input that holds it. */
export function figureInputs({ objective, path }: LossOptions): readonly (readonly [name: string, input: string])[] {
  const figures = freeLoss(objective)?.figures?.(timePoint(path, path.timesteps - 1), objective.params) ?? {};
  return Object.keys(figures).map((name) => [name, OWN_PREFIX + name]);
}

/** True if a loss needs the tables of a chain. */
export function needsChain({ weighting, variance, objective }: Omit<LossOptions, "path">): boolean {
  return weighting === "vlb" || variance === "learned" || objective.definition.needs === "chain";
}

/** True if training times may lie between the indices of the tables. */
export function usesContinuousTimes(
  options: LossOptions & { readonly timestepSampler?: "uniform" | "loss-aware" },
): boolean {
  return options.path.continuous && options.timestepSampler !== "loss-aware";
}

const byTable = (table: (at: TimePoint) => Float64Array): Figure => (at) => table(at)[at.t]!;

/**
 * Returns the figures that a loss needs at each image's t, in addition to those of every step: inputs of its compiled
 * step, by name.
 */
export function lossFigures(options: LossOptions): Readonly<Record<string, Figure>> {
  const { objective, path, weighting = "simple", variance } = options;
  const { definition, params } = objective;
  const free = freeLoss(objective);
  if (free !== undefined) {
    const own = figureInputs(options);
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
    // T times the mean of a term over t is the sum of the terms: the bound.
    ...(variance === "learned" && !boundOnly ? { boundWeight: ({ path }) => BOUND_SHARE * path.timesteps } : {}),
  };
}

/** True if the target is the noise itself, at all times. */
function isNoise({ definition, params }: Objective, path: Path): boolean {
  return Array.from({ length: path.timesteps }, (_, t) => timePoint(path, t)).every((at) => {
    const target = (definition as MixtureObjective).target(at, params);
    return target.x0 === 0 && target.noise === 1;
  });
}

/** Returns `lossFigures` and the figures that every training step needs: the factors of x_0 and of the noise in x_t. */
export function stepFigures(options: LossOptions): Readonly<Record<string, Figure>> {
  return {
    sqrtAlphasCumprod: ({ signal }) => signal,
    sqrtOneMinusAlphasCumprod: ({ noise }) => noise,
    ...lossFigures(options),
  };
}

/**
 * Returns the weight of the squared error of a network's prediction at a time.
 *
 * Under `vlb` a weighted mean over pixels is the term of the bound at t in bits per dimension, without the parts that
 * the network cannot change: KL of two Gaussians of fixed variance for t > 0, and at t = 0 the likelihood of a Gaussian
 * that is not cut into bins (the remark below eq. 14). T times the mean over t is then the bound. The same x_0 has the
 * same weight under all objectives. `vlb` needs the chain, and t must be one of its times.
 *
 * Under `min-snr` the weight is that of x_0, min(SNR, gamma), times the square of the factor from an error of the
 * output to an error of x_0. It is computed from the factors for eps and x_0, so that it has a value where the SNR is
 * 0.
 *
 * @returns infinity if noise is predicted under `vlb` and A is 0
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
