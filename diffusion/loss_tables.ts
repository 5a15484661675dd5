import type { FreeObjective, MixtureObjective, Path, TimePoint } from "./define.ts";
import { lossWeight, type Weighting } from "./loss_weighting.ts";
import type { Objective } from "./objective.ts";
import { timePoint } from "./path.ts";

/** What a training loss is made of. The defaults are L_simple of Ho et al. 2020. */
export interface LossOptions {
  readonly objective: Objective;
  /** What the times are of. */
  readonly path: Path;
  /** Default `simple`. */
  readonly weighting?: Weighting;
  /** Of the reverse step: fixed, which only `vlb` looks at, or `learned` by the network. Default `fixedlarge`. */
  readonly variance?: "fixedlarge" | "fixedsmall" | "learned";
  /** Of `min-snr`. Default 5. */
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
  const { objective, path, weighting = "simple", variance = "fixedlarge", minSnrGamma: gamma = 5 } = options;
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
  const fixed = variance === "fixedsmall" ? variance : "fixedlarge";
  const lossWeightAt: Figure = weight === undefined
    ? (at) => lossWeight(at, { objective, weighting, gamma, variance: fixed })
    : (at) => weight(at, params);
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
