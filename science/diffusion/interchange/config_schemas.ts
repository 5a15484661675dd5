import { z } from "zod";

const size = z.int().min(1);

/**
 * `unet/config.json`. Fields that a file leaves out have the library's defaults (`UNet2DModel.__init__`). Unknown
 * fields are refused, since they could change what the network computes. Names with an underscore are notes.
 */
export const unet2dConfigSchema = z.preprocess(
  (config) => withoutNotes(config),
  z.strictObject({
    sample_size: z.union([size, z.array(size)]).nullable().default(null),
    in_channels: size.default(3),
    out_channels: size.default(3),
    center_input_sample: z.boolean().default(false),
    time_embedding_type: z.string().default("positional"),
    time_embedding_dim: size.nullable().default(null),
    freq_shift: z.number().default(0),
    flip_sin_to_cos: z.boolean().default(true),
    down_block_types: z.array(z.string()).default(["DownBlock2D", ...new Array<string>(3).fill("AttnDownBlock2D")]),
    mid_block_type: z.string().nullable().default("UNetMidBlock2D"),
    up_block_types: z.array(z.string()).default(["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"]),
    block_out_channels: z.array(size).min(1).max(32).default([224, 448, 672, 896]),
    layers_per_block: size.max(1_000).default(2),
    mid_block_scale_factor: z.number().default(1),
    downsample_padding: z.int().default(1),
    downsample_type: z.string().default("conv"),
    upsample_type: z.string().default("conv"),
    dropout: z.number().default(0),
    act_fn: z.string().default("silu"),
    attention_head_dim: size.nullable().default(8),
    norm_num_groups: size.nullable().default(32),
    attn_norm_num_groups: size.nullable().default(null),
    norm_eps: z.number().positive().max(0.1).default(1e-5),
    resnet_time_scale_shift: z.string().default("default"),
    add_attention: z.boolean().default(true),
    class_embed_type: z.string().nullable().default(null),
    num_class_embeds: size.nullable().default(null),
    num_train_timesteps: size.nullable().default(null),
  }),
);

/**
 * `scheduler/scheduler_config.json`: the chain of a DDPMScheduler or DDIMScheduler. Its sampling settings are not used,
 * since a `sample` stage sets them; they are kept as they are for an export. Fields that a file leaves out have the
 * library's defaults.
 */
export const schedulerConfigSchema = z.looseObject({
  _class_name: z.enum(["DDPMScheduler", "DDIMScheduler"]),
  num_train_timesteps: size.max(1_000_000).default(1000),
  beta_start: z.number().positive().lt(1).default(1e-4),
  beta_end: z.number().positive().lt(1).default(2e-2),
  beta_schedule: z.string().default("linear"),
  trained_betas: z.array(z.number().positive().max(1)).nullable().default(null),
  prediction_type: z.string().default("epsilon"),
  variance_type: z.string().default("fixed_small"),
  rescale_betas_zero_snr: z.boolean().default(false),
  clip_sample: z.boolean().default(true),
  clip_sample_range: z.number().default(1),
  thresholding: z.boolean().default(false),
  dynamic_thresholding_ratio: z.number().default(0.995),
  sample_max_value: z.number().default(1),
  timestep_spacing: z.string().default("leading"),
  steps_offset: z.int().default(0),
});

/** The configuration of a `UNet2DModel` (huggingface/diffusers, `models/unets/unet_2d.py`), all fields present. */
export type Unet2dConfig = z.output<typeof unet2dConfigSchema>;

/** The configuration of a scheduler. */
export type SchedulerConfig = z.output<typeof schedulerConfigSchema>;

/** Leaves out the notes of a config, whose names begin with an underscore, but for those that are kept. */
export function withoutNotes(config: unknown, kept: readonly string[] = []): unknown {
  if (typeof config !== "object" || config === null) return config;
  return Object.fromEntries(Object.entries(config).filter(([name]) => !name.startsWith("_") || kept.includes(name)));
}
