import { z } from "zod";
import { extent } from "../roles.ts";
import { deviceParam, positiveInt, threadsParam, weightsParam } from "./common.ts";

/** How to walk back from x_T to x_0. */
export const samplerParams = z.discriminatedUnion("name", [
  z.strictObject({
    name: z.literal("ancestral").describe("Algorithm 2 of Ho et al. 2020: all T steps"),
    variance: z.enum(["fixedsmall", "fixedlarge"]).default("fixedlarge").describe(
      "Reverse variance: posterior (fixedsmall) or beta (fixedlarge)",
    ),
  }),
  z.strictObject({
    name: z.literal("ddim").describe("Song et al. 2021: few steps"),
    steps: positiveInt(1_000_000).default(50),
    eta: z.number().min(0).max(1).default(0).describe("0: deterministic; 1: as noisy as ancestral sampling"),
    spacing: z.enum(["leading", "trailing"]).default("trailing").describe("Which timesteps the walk visits"),
  }),
]);

/** Params of kind `sample`. */
export const sampleParams = z.strictObject({
  count: extent(positiveInt(10_000_000).describe("How many images; raising it continues")),
  sampler: samplerParams.default({ name: "ddim", steps: 50, eta: 0, spacing: "trailing" }),
  weights: weightsParam(),
  batchSize: positiveInt(65_536).default(64),
  device: deviceParam(),
  threads: threadsParam(),
});

export type SamplerParams = z.output<typeof samplerParams>;
export type SampleParams = z.output<typeof sampleParams>;
