import { z } from "zod";
import { autoencoderLossParams } from "../../science/diffusion/autoencoder/loss_params.ts";
import { BUILTIN_AUTOENCODER } from "../../science/diffusion/autoencoders.ts";
import { ownable } from "../../schemas/definitions.ts";
import { execution, externalFile } from "../../schemas/roles.ts";
import { longRunningParams, positiveInt } from "../shared/common_params.ts";
import { trainingParams } from "../shared/training_params.ts";

/** Params of kind `autoencoder`. */
export const autoencoderKindParams = z.strictObject({
  model: ownable(
    BUILTIN_AUTOENCODER.params.prefault({}).describe("The autoencoders of Rombach et al. 2022, kl or vq"),
  ),
  ...trainingParams(),
  loss: autoencoderLossParams.prefault({}).describe("The built-in loss, whose terms are logged one by one"),
  lpips: externalFile(
    z.string().min(1).optional().describe(
      "The perceptual term is LPIPS over VGG16, by the weights in this file: a saved state_dict of lpips.LPIPS",
    ),
  ),
  flip: z.boolean().default(false).describe("Flip each image horizontally with probability 1/2 at each step"),
  preview: execution(
    z.strictObject({
      every: positiveInt(100_000_000).describe("Steps between two previews; the last step has one too"),
      count: positiveInt(32).default(8).describe("Images of each, beside what the averaged weights make of them"),
    }).optional().describe("Also show reconstructions while training goes on; default: no previews"),
  ),
  ...longRunningParams(),
});
