import { ancestralSteps } from "../../../diffusion/samplers/ancestral.ts";
import { ddimSteps } from "../../../diffusion/samplers/ddim.ts";
import { dpmSolverSteps } from "../../../diffusion/samplers/dpm_solver.ts";
import { heunSteps } from "../../../diffusion/samplers/heun.ts";
import type { ReverseStep } from "../../../diffusion/samplers/reverse_step.ts";
import type { DiffusionTables } from "../../../diffusion/schedule/tables.ts";
import type { SamplerParams } from "../../sample/params.ts";

/** The steps of a sampler over a chain, in the order of sampling; one evaluation of the network each. */
export function samplerSteps(tables: DiffusionTables, sampler: SamplerParams): ReverseStep[] {
  switch (sampler.name) {
    case "ancestral": {
      const { variance, steps } = sampler;
      return ancestralSteps(tables, steps === undefined ? { variance } : { variance, steps });
    }
    case "ddim":
      return ddimSteps(tables, sampler);
    case "dpmpp-2m":
      return dpmSolverSteps(tables, sampler);
    case "heun": {
      const { steps, rho, sigmaMin, sigmaMax } = sampler;
      return heunSteps(tables, {
        steps,
        rho,
        ...(sigmaMin === undefined ? {} : { sigmaMin }),
        ...(sigmaMax === undefined ? {} : { sigmaMax }),
      });
    }
  }
}
