import { objectiveProblem } from "../../diffusion/interchange/scheduler_config.ts";
import { toUnet2dConfig } from "../../diffusion/interchange/unet2d_config.ts";
import type { CheckProblem } from "../../contract/stage.ts";
import type { CheckpointFacts } from "../../artifacts/facts.ts";

/** Everything that keeps a network from being written for diffusers; what is not known is not checked. */
export function checkExport({ network, objective }: Pick<CheckpointFacts, "network" | "objective">): CheckProblem[] {
  const unet = network === undefined ? undefined : toUnet2dConfig(network);
  const found = [
    unet !== undefined && "problem" in unet ? unet.problem : undefined,
    objective === undefined ? undefined : objectiveProblem(objective),
  ];
  return found.flatMap((problem) => problem === undefined ? [] : [{ input: "checkpoint", ...problem }]);
}
