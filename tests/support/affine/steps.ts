import type { SamplerParams } from "../../../science/diffusion/samplers.ts";
import type { DiffusionTables } from "../../../science/diffusion/schedule/tables.ts";
import { definedOnly } from "../../../std/defined_only.ts";
import { ancestralSteps } from "./ancestral.ts";
import { ddimSteps } from "./ddim.ts";
import { dpmSolverSteps } from "./dpm_solver.ts";
import { heunSteps } from "./heun.ts";
import type { ReverseStep } from "./reverse_step.ts";

/** Returns the steps of a sampler over a chain, in the order of sampling; each evaluates the network once. */
export function affineSteps(tables: DiffusionTables, sampler: SamplerParams): ReverseStep[] {
  switch (sampler.name) {
    case "ancestral":
      return ancestralSteps(tables, definedOnly(sampler));
    case "ddim":
      return ddimSteps(tables, sampler);
    case "dpmpp-2m":
      return dpmSolverSteps(tables, sampler);
    case "heun":
      return heunSteps(tables, definedOnly(sampler));
  }
}

/** Returns the results of a walk by the affine form, for numbers that do not influence each other. */
export function walkAffine(
  steps: readonly ReverseStep[],
  { start, predictX0, variance, noise }: {
    readonly start: ArrayLike<number>;
    /** x_0, already clipped. */
    readonly predictX0: (x: number, t: number) => number;
    /** Position of the logarithm of a learned variance in its range, 0 to 1. */
    readonly variance?: number;
    readonly noise: (k: number) => ArrayLike<number>;
  },
): number[] {
  const numbers = Array.from(start);
  return numbers.map((_, i) => {
    let [x, lastX, lastX0] = [numbers[i]!, NaN, NaN];
    steps.forEach((step, k) => {
      const x0 = predictX0(x, step.t);
      const extra = { none: 0, noise: step.extra === "noise" ? noise(k)[i]! : 0, lastX, lastX0 }[step.extra];
      const { min = 0, max = 0 } = step.logVariances ?? {};
      const deviation = Math.exp((min + (variance ?? 0) * (max - min)) / 2);
      [lastX, lastX0, x] = [x, x0, step.coefX0 * x0 + step.coefXt * x + step.coefExtra * deviation * extra];
    });
    return x;
  });
}
