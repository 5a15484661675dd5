import { z } from "zod";
import { positiveInt } from "../common_params.ts";

const spacing = () =>
  z.enum(["leading", "trailing"]).default("trailing").describe(
    "Which timesteps are visited: trailing ends at T - 1, leading starts at 0; see docs/samplers.md",
  );

/** How to walk back from x_T to x_0. */
export const samplerParams = z.discriminatedUnion("name", [
  z.strictObject({
    name: z.literal("ancestral").describe("Algorithm 2 of Ho et al. 2020"),
    variance: z.enum(["fixedsmall", "fixedlarge", "learned"]).default("fixedlarge").describe(
      "Reverse variance: posterior (fixedsmall), beta (fixedlarge), or learned by a network that was trained for it",
    ),
    // Without a default: a nested param with one would enter the keys of older results.
    steps: z.int().min(2).max(1_000_000).optional().describe(
      "Number of timesteps visited; default: all T. Few steps need variance fixedsmall or learned",
    ),
  }),
  z.strictObject({
    name: z.literal("ddim").describe("Song et al. 2021: few steps"),
    steps: positiveInt(1_000_000).default(50).describe("Number of timesteps visited"),
    eta: z.number().min(0).max(1).default(0).describe("0: deterministic; 1: as noisy as ancestral sampling"),
    spacing: spacing(),
  }),
  z.strictObject({
    name: z.literal("dpmpp-2m").describe("DPM-Solver++(2M), Lu et al. 2022: second order, fewest steps"),
    steps: positiveInt(1_000_000).default(20).describe("Number of timesteps visited"),
    spacing: spacing(),
  }),
  z.strictObject({
    name: z.literal("heun").describe("Karras et al. 2022: second order, 2 steps - 1 evaluations of the network"),
    steps: positiveInt(1_000_000).default(18).describe("Number of noise levels"),
    sigmaMin: z.number().positive().optional().describe("Lowest noise level; default: 0.002 or the chain's own lowest"),
    sigmaMax: z.number().positive().optional().describe("Highest noise level; default: 80 or the chain's own highest"),
    rho: z.number().positive().default(7).describe("Higher values put more of the levels at low noise"),
  }),
]);

export type SamplerParams = z.output<typeof samplerParams>;
