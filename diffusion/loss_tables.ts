import { lossWeights, type Weighting } from "./loss_weighting.ts";
import { type ObjectiveName, targetMixture, x0Recovery } from "./objective.ts";
import type { DiffusionTables } from "./schedule/tables.ts";

/** What a training loss is made of. The defaults are L_simple of Ho et al. 2020. */
export interface LossOptions {
  /** Default `eps`. */
  readonly objective?: ObjectiveName;
  /** Default `simple`. */
  readonly weighting?: Weighting;
  /** Of the reverse step: fixed, which only `vlb` looks at, or `learned` by the network. Default `fixedlarge`. */
  readonly variance?: "fixedlarge" | "fixedsmall" | "learned";
  /** Of `min-snr`. Default 5. */
  readonly minSnrGamma?: number;
}

/** Share of the variational bound in L_hybrid (Nichol & Dhariwal 2021, section 3.1). */
const BOUND_SHARE = 0.001;

/** Tables that every training step looks up. */
export const STEP_TABLES = ["sqrtAlphasCumprod", "sqrtOneMinusAlphasCumprod"] as const;

const LEARNED_TABLES = [
  "x0FromXt",
  "x0FromOutput",
  "posteriorMeanCoef1",
  "posteriorMeanCoef2",
  "minLogVariance",
  "maxLogVariance",
  "isFirst",
];

/** Names of the tables that a loss looks up at each image's t besides `STEP_TABLES`; inputs of its compiled step. */
export function lossTableNames(options: LossOptions): string[] {
  const { objective = "eps", weighting = "simple", variance = "fixedlarge" } = options;
  const boundOnly = variance === "learned" && weighting === "vlb";
  return [
    ...(objective === "eps" || boundOnly ? [] : ["targetX0", "targetNoise"]),
    ...(weighting === "simple" || boundOnly ? [] : ["lossWeight"]),
    ...(variance === "learned" ? LEARNED_TABLES : []),
    ...(variance === "learned" && !boundOnly ? ["boundWeight"] : []),
  ];
}

/** `STEP_TABLES` and the tables of `lossTableNames`, float64 [T] each. @throws RangeError for weights without a value */
export function trainTables(tables: DiffusionTables, options: LossOptions): Record<string, Float64Array> {
  const { objective = "eps", weighting = "simple", variance, minSnrGamma: gamma = 5 } = options;
  const { timesteps } = tables;
  const byT = (f: (t: number) => number) => Float64Array.from({ length: timesteps }, (_, t) => f(t));
  const makers: Readonly<Record<string, () => Float64Array>> = {
    sqrtAlphasCumprod: () => tables.sqrtAlphasCumprod,
    sqrtOneMinusAlphasCumprod: () => tables.sqrtOneMinusAlphasCumprod,
    targetX0: () => byT((t) => targetMixture(objective, { tables, t }).x0),
    targetNoise: () => byT((t) => targetMixture(objective, { tables, t }).noise),
    lossWeight: () => {
      const fixed = variance === "fixedsmall" ? variance : "fixedlarge";
      return lossWeights(tables, { objective, weighting, gamma, variance: fixed });
    },
    x0FromXt: () => byT((t) => x0Recovery(objective, { tables, t }).xt),
    x0FromOutput: () => byT((t) => x0Recovery(objective, { tables, t }).output),
    posteriorMeanCoef1: () => tables.posteriorMeanCoef1,
    posteriorMeanCoef2: () => tables.posteriorMeanCoef2,
    minLogVariance: () => tables.posteriorLogVarianceClipped,
    maxLogVariance: () => tables.betas.map(Math.log),
    isFirst: () => byT((t) => t === 0 ? 1 : 0),
    // The mean of a term over t times T is the sum of the terms: the bound.
    boundWeight: () => new Float64Array(timesteps).fill(BOUND_SHARE * timesteps),
  };
  return Object.fromEntries([...STEP_TABLES, ...lossTableNames(options)].map((name) => [name, makers[name]!()]));
}
