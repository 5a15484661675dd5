import { z } from "zod";

const weight = (usual: number) => z.number().min(0).default(usual);

/** Params of the built-in loss (CompVis/latent-diffusion, `losses/contperceptual.py` and `losses/vqperceptual.py`). */
export const autoencoderLossParams = z.strictObject({
  reconstruction: z.enum(["l1", "l2"]).default("l1").describe("Absolute or squared error of each number of an image"),
  over: z.enum(["sum", "mean"]).exactOptional().describe(
    "Terms are sums or means over an image and its latents; default, as in LDM: sum for kl, mean for vq",
  ),
  kl: weight(1e-6).describe("Weight of the latents' divergence from N(0, 1); LDM's belongs to the sum"),
  codebook: weight(1).describe("Weight of both terms of the codebook"),
  commitment: weight(0.25).describe("Further weight of one of them, which `placement` names"),
  placement: z.enum(["vq-vae", "taming"]).default("vq-vae").describe(
    "vq-vae: of the term that moves latents to their codes; taming: of the one that moves codes to latents (`legacy`)",
  ),
  perceptual: weight(1).describe("Weight of the distance between features, for a training that has features"),
});

export type AutoencoderLossParams = z.output<typeof autoencoderLossParams>;
