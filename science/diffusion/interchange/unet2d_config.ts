import { attendedWidths, resolutionsOf, type UnetConfig, validateUnetConfig } from "../unet/config.ts";
import { unetParameterSpecs } from "../unet/plan.ts";
import type { Unet2dConfig } from "./config_schemas.ts";
import { libraryGroups, normGroupsOf } from "./library_groups.ts";
import { refusing } from "./problem.ts";

const refuse = refusing("network is not one of Ho et al. 2020");

/** Fields that all networks of noiseline share. Each value is the only one that noiseline computes. */
const FIXED = {
  center_input_sample: false,
  time_embedding_type: "positional",
  time_embedding_dim: null,
  mid_block_type: "UNetMidBlock2D",
  mid_block_scale_factor: 1,
  downsample_type: "conv",
  upsample_type: "conv",
  act_fn: "silu",
  resnet_time_scale_shift: "default",
  add_attention: true,
  class_embed_type: null,
} as const;

/** Ho et al.'s values of the details that a configuration may leave out. */
const USUAL = { normEpsilon: 1e-6, frequencyShift: 1, cosinesFirst: false, downsamplePadding: 0 } as const;

/**
 * Returns the configuration of a `UNet2DModel` that computes the same function.
 * @param config must have no problems @throws InterchangeError if there is none
 */
export function toUnet2dConfig(config: UnetConfig): Unet2dConfig {
  const groups = libraryGroups(config, unetParameterSpecs(config), "UNet2DModel");
  const { normEpsilon, frequencyShift, cosinesFirst, downsamplePadding } = { ...USUAL, ...config };
  const attends = resolutionsOf(config).map((resolution) => config.attention.includes(resolution));
  return {
    ...FIXED,
    sample_size: config.imageWidth === undefined ? config.imageSize : [config.imageSize, config.imageWidth],
    in_channels: config.inChannels,
    out_channels: config.outChannels,
    freq_shift: frequencyShift,
    flip_sin_to_cos: cosinesFirst,
    downsample_padding: downsamplePadding,
    norm_eps: normEpsilon,
    ...blockTypes(attends),
    block_out_channels: config.multipliers.map((multiplier) => multiplier * config.channels),
    layers_per_block: config.blocks,
    dropout: 0,
    // The row for "no label" counts as a class: guidance in diffusers passes its number.
    num_class_embeds: config.classes === undefined ? null : config.classes + 1,
    // Null: one attention head, as wide as the layer.
    attention_head_dim: config.headWidth ?? null,
    norm_num_groups: groups,
    attn_norm_num_groups: null,
    num_train_timesteps: null,
  };
}

/** Returns the types of the blocks of a network whose levels have attention or not. */
function blockTypes(attends: readonly boolean[]) {
  const types = (way: string) => attends.map((yes) => `${yes ? "Attn" : ""}${way}Block2D`);
  return { down_block_types: types("Down"), up_block_types: types("Up").reverse() };
}

/** Returns the network that computes the function of a `UNet2DModel`. @throws InterchangeError if there is none */
export function fromUnet2dConfig(theirs: Unet2dConfig): UnetConfig {
  for (const [field, wanted] of Object.entries(FIXED)) {
    const got = theirs[field as keyof typeof FIXED];
    // "swish" and "silu" are both names of x sigmoid(x).
    if (got !== wanted && !(field === "act_fn" && got === "swish")) return refuse(field, got, JSON.stringify(wanted));
  }
  const size = typeof theirs.sample_size === "number" ? [theirs.sample_size] : theirs.sample_size ?? [];
  const [height, width = height] = size;
  if (height === undefined || size.length > 2) {
    return refuse("sample_size", theirs.sample_size, "the side of images, or height and width");
  }
  const { in_channels: inChannels, out_channels: outChannels, block_out_channels: widths } = theirs;
  if (outChannels !== inChannels && outChannels !== 2 * inChannels) {
    return refuse("out_channels", outChannels, `${inChannels}, or ${2 * inChannels} with a learned variance`);
  }
  const channels = widths[0]!;
  if (widths.some((width) => width % channels !== 0)) {
    return refuse("block_out_channels", widths, `multiples of the first, ${channels}`);
  }
  const { down_block_types: down, up_block_types: up } = theirs;
  const attends = down.map((type) => type === "AttnDownBlock2D");
  const types = blockTypes(attends);
  if (down.length !== widths.length || `${[down, up]}` !== `${[types.down_block_types, types.up_block_types]}`) {
    return refuse(
      "down_block_types, up_block_types",
      [down, up],
      `${widths.length} each of DownBlock2D or AttnDownBlock2D, UpBlock2D or AttnUpBlock2D, mirrored`,
    );
  }
  const { freq_shift: shift, downsample_padding: padding, norm_num_groups: norm } = theirs;
  if (shift !== 0 && shift !== 1) return refuse("freq_shift", shift, "0 or 1");
  if (padding !== 0 && padding !== 1) return refuse("downsample_padding", padding, "0 or 1");
  if (norm === null) return refuse("norm_num_groups", norm, "the number of groups");
  const { attention_head_dim: head, attn_norm_num_groups: attentionNorm, num_class_embeds: labels } = theirs;
  if (attentionNorm !== null && attentionNorm !== norm) return refuse("attn_norm_num_groups", attentionNorm, `${norm}`);
  const config: UnetConfig = {
    imageSize: height,
    ...(width === height ? {} : { imageWidth: width! }),
    inChannels,
    outChannels,
    channels,
    multipliers: widths.map((width) => width / channels),
    blocks: theirs.layers_per_block,
    attention: attends.flatMap((yes, level) => yes ? [height / 2 ** level] : []),
    ...(labels === null ? {} : { classes: labels - 1 }),
    groups: norm,
    normEpsilon: theirs.norm_eps,
    ...(head === null ? {} : { headWidth: head }),
    frequencyShift: shift,
    cosinesFirst: theirs.flip_sin_to_cos,
    downsamplePadding: padding,
  };
  const [invalid] = validateUnetConfig(config);
  if (invalid !== undefined) {
    return refuse(invalid.field, JSON.stringify(config), `got ${invalid.got}, wanted ${invalid.wanted}`);
  }
  return withoutUsual(config);
}

/** Leaves out details that are as in Ho et al.'s code, so that the paper's network has the same record everywhere. */
function withoutUsual(config: UnetConfig): UnetConfig {
  const only = (values: readonly number[]) => values.every((value) => value === values[0]) ? values[0] : undefined;
  const usual: Record<string, unknown> = {
    ...USUAL,
    groups: only(normGroupsOf(unetParameterSpecs(config))),
    headWidth: only(attendedWidths(config)),
  };
  return Object.fromEntries(Object.entries(config).filter(([name, value]) => usual[name] !== value)) as UnetConfig;
}
