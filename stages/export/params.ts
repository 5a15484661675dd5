import { z } from "zod";
import { weightsParam } from "../shared/common_params.ts";

/** Params of kind `export`. */
export const exportParams = z.strictObject({
  format: z.literal("diffusers").describe("A folder for DDPMPipeline.from_pretrained of diffusers"),
  weights: weightsParam(),
});
