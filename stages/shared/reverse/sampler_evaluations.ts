import type { SamplerParams } from "../../../schemas/kinds/sample.ts";

/** Evaluations of the network for each image: as many as `samplerSteps`, or for `heun` at most. @param timesteps T */
export function evaluationsOf(sampler: SamplerParams, timesteps: number): number {
  switch (sampler.name) {
    case "ancestral":
      return sampler.steps ?? timesteps;
    case "heun":
      return 2 * Math.min(sampler.steps, timesteps) - 1;
    default:
      return sampler.steps;
  }
}
