import type { SamplerParams } from "../../schemas/kinds/sample.ts";
import type { CheckProblem } from "../contract.ts";

/** Whether a sampler fits a chain of T timesteps. */
export function checkSampler(sampler: SamplerParams, timesteps: number): CheckProblem | undefined {
  if (sampler.name !== "ddim" || sampler.steps <= timesteps) return undefined;
  return {
    severity: "error",
    param: ["sampler", "steps"],
    message: "DDIM visits each timestep of the training schedule at most once",
    got: `${sampler.steps} steps`,
    wanted: `at most ${timesteps}, the timesteps of the checkpoint's schedule`,
    fix: `use steps: ${timesteps} or fewer`,
  };
}
