import type { InterpolateParams } from "./params.ts";
import type { CheckProblem } from "../../contract/stage.ts";
import { spacedTimesteps } from "../../diffusion/samplers/timestep_spacing.ts";
import { checkWalk, type WalkFacts } from "../shared/reverse/check_walk.ts";

/** The last timestep that a sampler asks the network at; those of few steps that count down from T - 1 stop above 0. */
function lowestVisited(sampler: InterpolateParams["sampler"], timesteps: number): number {
  if (sampler.name !== "ddim" || sampler.steps > timesteps) return 0;
  return Math.min(...spacedTimesteps(timesteps, sampler));
}

/** Everything that keeps pairs from being mixed; what is not known is not checked. */
export function checkInterpolation(
  { sampler, timestep, pairs }: Pick<InterpolateParams, "sampler" | "timestep" | "pairs">,
  { checkpoint, images }: WalkFacts,
): CheckProblem[] {
  const why = "sampling starts in the middle of the schedule, where this sampler has no earlier step to use";
  const problems = checkWalk(sampler, { checkpoint, images }, why);
  const lowest = checkpoint?.timesteps === undefined ? 0 : lowestVisited(sampler, checkpoint.timesteps);
  if (timestep < lowest) {
    problems.push({
      param: ["timestep"],
      message: "the sampler visits no timestep this low",
      got: `${timestep}`,
      wanted: `at least ${lowest}`,
      fix: "raise timestep, or take more steps",
    });
  }
  if (checkpoint?.timesteps !== undefined && timestep >= checkpoint.timesteps) {
    problems.push({
      param: ["timestep"],
      message: "the checkpoint's schedule is shorter",
      got: `${timestep}`,
      wanted: `0 to ${checkpoint.timesteps - 1}`,
      fix: `use timestep: ${Math.floor(checkpoint.timesteps / 2)}`,
    });
  }
  if (images?.count !== undefined && 2 * pairs > images.count) {
    problems.push({
      param: ["pairs"],
      message: "a pair is two images",
      got: `${pairs} pairs of ${images.count} images`,
      wanted: `at most ${Math.floor(images.count / 2)}`,
      fix: "use fewer pairs, or more images",
    });
  }
  return problems;
}
