import { z } from "zod";
import type { SamplerDefinition } from "./define.ts";
import ancestral from "./samplers/ancestral.ts";
import ddim from "./samplers/ddim.ts";
import dpmSolver from "./samplers/dpm_solver.ts";
import heun from "./samplers/heun.ts";

/** The built-in samplers. */
const BUILT_IN = { ancestral, ddim, "dpmpp-2m": dpmSolver, heun };

/** Params of the built-in samplers: a sampler's name, with its params beside it. */
export const samplerParams = z.discriminatedUnion("name", [
  named("ancestral"),
  named("ddim"),
  named("dpmpp-2m"),
  named("heun"),
]);

export type SamplerParams = z.output<typeof samplerParams>;

function named<N extends keyof typeof BUILT_IN>(name: N) {
  const { shape, description = "" } = BUILT_IN[name].params;
  return z.strictObject({
    name: z.literal(name).describe(description),
    ...shape as typeof BUILT_IN[N]["params"]["shape"],
  });
}

/** Returns a built-in sampler and its params. */
export function builtinSampler({ name, ...params }: SamplerParams) {
  return { definition: BUILT_IN[name] as unknown as SamplerDefinition, params };
}

/** Names of the samplers that work with any path. */
export const SAMPLERS_OF_ANY_PATH = Object.entries(BUILT_IN as Readonly<Record<string, { readonly needs?: "chain" }>>)
  .filter(([, { needs }]) => needs === undefined).map(([name]) => name);
