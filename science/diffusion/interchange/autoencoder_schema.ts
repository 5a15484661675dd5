import { z } from "zod";
import { withoutNotes } from "./config_schemas.ts";

const size = z.int().min(1);
/** A field whose value is the only one that noiseline computes, and the library's default. */
const only = <V extends string | boolean | null>(value: V) => z.literal(value).default(value as never);

const common = {
  in_channels: size.default(3),
  out_channels: size.default(3),
  down_block_types: z.array(z.enum(["DownEncoderBlock2D", "AttnDownEncoderBlock2D"])).default(["DownEncoderBlock2D"]),
  up_block_types: z.array(z.enum(["UpDecoderBlock2D", "AttnUpDecoderBlock2D"])).default(["UpDecoderBlock2D"]),
  block_out_channels: z.array(size).min(1).max(32).default([64]),
  layers_per_block: size.max(1_000).default(1),
  // Two names of x sigmoid(x).
  act_fn: z.enum(["silu", "swish"]).default("silu"),
  norm_num_groups: size.default(32),
  // The size of training images and the precision of computing change no result.
  sample_size: z.unknown().optional(),
  force_upcast: z.unknown().optional(),
  scaling_factor: z.number().positive().default(0.18215),
  mid_block_add_attention: only(true),
};

/**
 * `vae/config.json` of an `AutoencoderKL`, or the file of a `VQModel` (huggingface/diffusers, `models/autoencoders`).
 * Fields that a file leaves out have the library's defaults; unknown fields are refused.
 */
export const autoencoderConfigSchema = z.preprocess(
  (config) => withoutNotes(config, ["_class_name"]),
  z.discriminatedUnion("_class_name", [
    z.strictObject({
      _class_name: z.literal("AutoencoderKL"),
      ...common,
      latent_channels: size.default(4),
      shift_factor: only(null),
      latents_mean: only(null),
      latents_std: only(null),
      use_quant_conv: only(true),
      use_post_quant_conv: only(true),
    }),
    z.strictObject({
      _class_name: z.literal("VQModel"),
      ...common,
      latent_channels: size.default(3),
      num_vq_embeddings: size.default(256),
      vq_embed_dim: size.nullable().default(null),
      norm_type: only("group"),
      lookup_from_codebook: only(false),
    }),
  ]),
);

/** The configuration of an `AutoencoderKL` or `VQModel`. */
export type TheirAutoencoder = z.output<typeof autoencoderConfigSchema>;
