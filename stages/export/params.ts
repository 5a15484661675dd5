import { z } from "zod";
import { weightsParam } from "../shared/common_params.ts";

/** Params of kind `export`. */
export const exportParams = z.strictObject({
  format: z.literal("diffusers").describe(
    "A folder that DDPMPipeline.from_pretrained of diffusers loads: a UNet2DModel and a DDPMScheduler",
  ),
  weights: weightsParam(),
});
