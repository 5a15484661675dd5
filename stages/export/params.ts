import { z } from "zod";
import { weightsParam } from "../shared/common_params.ts";

/** Params of kind `export`. */
export const exportParams = z.strictObject({
  format: z.literal("diffusers").describe(
    "Folder that DDPMPipeline.from_pretrained of diffusers reads: a UNet2DModel and a DDPMScheduler",
  ),
  weights: weightsParam(),
});
