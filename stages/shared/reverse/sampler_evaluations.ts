import type { SampleParams, SamplerParams } from "../../sample/params.ts";
import type { CheckpointFacts } from "../../../artifacts/facts.ts";
import { unetWork } from "../unet_work.ts";

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

/**
 * What is known of images that a network will draw, and of the work.
 * @param walks images that are walked through the chain, or shares of them
 */
export function drawingFacts(
  { height, width, channels, timesteps, network }: CheckpointFacts,
  { sampler, batchSize }: Pick<SampleParams, "batchSize"> & { readonly sampler: SamplerParams },
  { count, walks, classes }: {
    readonly count: number;
    readonly walks: number;
    readonly classes?: number | null | undefined;
  },
) {
  const passes = timesteps === undefined ? undefined : walks * evaluationsOf(sampler, timesteps);
  const samples = { count, height, width, channels, ...(classes === undefined ? {} : { classes }) };
  return { facts: { samples }, ...unetWork(network, passes, batchSize) };
}
