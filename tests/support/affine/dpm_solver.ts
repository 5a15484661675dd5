import type { DiffusionTables } from "../../../science/diffusion/schedule/tables.ts";
import type { ReverseStep } from "./reverse_step.ts";
import { spacedTimesteps, type TimestepSpacing } from "./timestep_spacing.ts";

/**
 * DPM-Solver++(2M) (Lu et al. 2022, algorithm 2; the `midpoint` form of huggingface/diffusers), deterministic and of
 * second order: one network evaluation per step; the slope uses the x0 of the previous step.
 *
 * With alpha = sqrt(A), sigma = sqrt(1 - A), lambda = ln(alpha / sigma), h the step in lambda and h' the one before it,
 * x' = (sigma' / sigma) x + alpha' (1 - e^-h) (x0 + (x0 - last x0) h / 2 h'). The first step has no last x0, and the
 * last one, to sigma' = 0, no finite h: both are of first order, which is DDIM.
 */
export function dpmSolverSteps(tables: DiffusionTables, spacing: TimestepSpacing): ReverseStep[] {
  const timesteps = spacedTimesteps(tables.timesteps, { ...spacing, aboveZero: true });
  const levelAt = (t: number) => ({ alpha: tables.sqrtAlphasCumprod[t]!, sigma: tables.sqrtOneMinusAlphasCumprod[t]! });
  const levels = [...timesteps.map(levelAt), { alpha: 1, sigma: 0 }];
  return timesteps.map((t, i): ReverseStep => {
    const [from, to] = [levels[i]!, levels[i + 1]!];
    // e^-h in a form that is correct, namely 0, at both ends: sigma' = 0, and alpha = 0 of a zero terminal SNR.
    const gain = to.alpha - from.alpha * to.sigma / from.sigma;
    const coefXt = to.sigma / from.sigma;
    if (i === 0 || to.sigma === 0) return { t, coefX0: gain, coefXt, coefExtra: 0, extra: "none" };
    const lambda = ({ alpha, sigma }: typeof from) => Math.log(alpha / sigma);
    const slope = (lambda(to) - lambda(from)) / (2 * (lambda(from) - lambda(levels[i - 1]!)));
    return { t, coefX0: gain * (1 + slope), coefXt, coefExtra: -gain * slope, extra: "lastX0" };
  });
}
