import type { InpaintParams } from "../../schemas/kinds/inpaint.ts";
import type { CheckProblem } from "../contract.ts";
import type { CheckpointFacts, ImageFacts } from "../shared/facts.ts";
import { checkSampler } from "../shared/reverse/check_sampler.ts";
import { differentSize } from "../shared/same_size.ts";

/** Everything that keeps a part from being painted; what is not known is not checked. */
export function checkInpainting(
  { sampler, count }: Pick<InpaintParams, "sampler" | "count">,
  { checkpoint, images }: {
    readonly checkpoint: CheckpointFacts | undefined;
    readonly images: ImageFacts | undefined;
  },
): CheckProblem[] {
  const problems = checkpoint === undefined ? [] : checkSampler(sampler, checkpoint);
  if (sampler.name === "dpmpp-2m" || sampler.name === "heun") {
    problems.push({
      severity: "error",
      param: ["sampler", "name"],
      message:
        "the known part is put back after each step, which breaks what this sampler remembers of the step before",
      got: sampler.name,
      wanted: "ancestral or ddim",
      fix: "use sampler: { name: ddim }",
    });
  }
  if (images?.count !== undefined && count > images.count) {
    problems.push({
      severity: "error",
      param: ["count"],
      message: "there are not that many images",
      got: `${count}`,
      wanted: `at most ${images.count}`,
      fix: `use count: ${images.count}`,
    });
  }
  if (checkpoint !== undefined && images !== undefined) {
    const problem = differentSize("images", images, { name: "those of the checkpoint", size: checkpoint });
    if (problem !== undefined) problems.push(problem);
  }
  return problems;
}
