import type { z } from "zod";
import type { SamplerDefinition } from "./define.ts";
import { namedParams } from "./named_params.ts";
import ancestral from "./samplers/ancestral.ts";
import ddim from "./samplers/ddim.ts";
import dpmSolver from "./samplers/dpm_solver.ts";
import heun from "./samplers/heun.ts";

/** The built-in samplers. */
const BUILT_IN = { ancestral, ddim, "dpmpp-2m": dpmSolver, heun };

/** Params of the built-in samplers: a sampler's name, with its params beside it. */
export const samplerParams = namedParams(BUILT_IN);

export type SamplerParams = z.output<typeof samplerParams>;

/** Returns a built-in sampler and its params. */
export function builtinSampler({ name, ...params }: SamplerParams) {
  return { definition: BUILT_IN[name] as unknown as SamplerDefinition, params };
}

/** Names of the samplers that work with any path. */
export const SAMPLERS_OF_ANY_PATH = Object.entries(BUILT_IN as Readonly<Record<string, { readonly needs?: "chain" }>>)
  .filter(([, { needs }]) => needs === undefined).map(([name]) => name);
