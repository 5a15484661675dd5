import type { SamplerParams } from "../../sample/params.ts";
import type { CheckProblem } from "../../../contract/stage.ts";
import type { CheckpointFacts, ImageFacts } from "../../../artifacts/facts.ts";
import { checkSameSize } from "../same_size.ts";
import { checkSampler } from "./check_sampler.ts";

/** What a stage is given that walks from images of its input; what is not known is not checked. */
export interface WalkFacts {
  readonly checkpoint: CheckpointFacts | undefined;
  readonly images: ImageFacts | undefined;
}

/**
 * What keeps a stage from walking through the chain itself, step by step, with images that are given.
 * @param why samplers that look back at the step before cannot serve it
 */
export function checkWalk(sampler: SamplerParams, { checkpoint, images }: WalkFacts, why: string): CheckProblem[] {
  const problems = checkpoint === undefined ? [] : checkSampler(sampler, checkpoint);
  if (sampler.name === "dpmpp-2m" || sampler.name === "heun") {
    problems.push({
      param: ["sampler", "name"],
      message: why,
      got: sampler.name,
      wanted: "ancestral or ddim",
      fix: "use sampler: { name: ddim }",
    });
  }
  return problems.concat(checkSameSize("images", images, { name: "those of the checkpoint", size: checkpoint }));
}
