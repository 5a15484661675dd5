import type { DiffusionTables } from "../../../science/diffusion/schedule/tables.ts";
import type { ReverseStep } from "./reverse_step.ts";
import { spacedTimesteps, type TimestepSpacing } from "./timestep_spacing.ts";

export interface DdimOptions extends TimestepSpacing {
  /** 0 is deterministic, 1 has the noise of the ancestral sampler (`fixedsmall`). In [0, 1]. */
  readonly eta: number;
}

/**
 * DDIM (Song et al. 2021, eq. 12) over a subsequence of timesteps, in sampling order.
 *
 * With A at this step, Ap at the next visited step (1 after the last) and s the noise level, DDIM's update is sqrt(Ap)
 * x0 + sqrt(1 - Ap - s^2) eps + s z. The noise must belong to the clipped x0, eps = (x - sqrt(A) x0) / sqrt(1 - A), or
 * the two halves of the update disagree; with this eps, the update is affine in x0 and x.
 */
export function ddimSteps(tables: DiffusionTables, options: DdimOptions): ReverseStep[] {
  const { eta } = options;
  const timesteps = spacedTimesteps(tables.timesteps, options);
  return timesteps.map((t, i) => {
    const next = timesteps[i + 1];
    const signal = tables.alphasCumprod[t]!;
    const noise = tables.sqrtOneMinusAlphasCumprod[t]!;
    const nextSignal = next === undefined ? 1 : tables.alphasCumprod[next]!;
    const nextNoiseVariance = next === undefined ? 0 : tables.sqrtOneMinusAlphasCumprod[next]! ** 2;
    const sigma = eta * Math.sqrt(nextNoiseVariance / noise ** 2 * (1 - signal / nextSignal));
    // Rounding can take the difference below zero if s^2 is all of the noise.
    const coefXt = Math.sqrt(Math.max(nextNoiseVariance - sigma ** 2, 0)) / noise;
    return {
      t,
      coefX0: Math.sqrt(nextSignal) - coefXt * Math.sqrt(signal),
      coefXt,
      coefExtra: sigma,
      extra: sigma === 0 ? "none" : "noise",
    };
  });
}
