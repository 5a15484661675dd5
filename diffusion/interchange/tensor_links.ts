import type { UnetConfig } from "../unet/config.ts";
import { type BlockPlan, type LevelPlan, planUnet } from "../unet/plan.ts";

/**
 * One tensor of a `UNet2DModel` and where its numbers are in a parameter of ours.
 *
 * Theirs is [out, in, taps...], ours [taps..., in, ourOut], of which theirs are the columns from `column` on. Vectors
 * have one tap and one input.
 */
export interface TensorLink {
  readonly ours: string;
  readonly theirs: string;
  /** What early releases of diffusers called it; newer ones still read it (`_convert_deprecated_attention_blocks`). */
  readonly older?: string;
  /** Of their tensor. */
  readonly shape: readonly number[];
  readonly taps: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly ourOutputs: number;
  readonly column: number;
}

/**
 * Every tensor of the `UNet2DModel` that belongs to a configuration, in the order of its layers.
 *
 * @param config must have no problems (see `validateUnetConfig`)
 */
export function unet2dLinks(config: UnetConfig): TensorLink[] {
  const plan = planUnet(config);
  const { channels, inChannels, outChannels } = config;
  const width = 4 * channels;
  const block = (plan: BlockPlan, prefix: string, index: number) => blockLinks(plan, { prefix, index, width });
  const level = (plan: LevelPlan, prefix: string, resampler: string) => [
    ...plan.blocks.flatMap((each, index) => block(each, prefix, index)),
    ...(plan.resample === undefined
      ? []
      : conv(plan.resample, `${prefix}.${resampler}.0.conv`, [plan.channels, plan.channels])),
  ];
  return [
    ...dense("time.dense1", "time_embedding.linear_1", [channels, width]),
    ...dense("time.dense2", "time_embedding.linear_2", [width, width]),
    ...(config.classes === undefined ? [] : [embedding(config.classes + 1, width)]),
    ...conv("conv_in", "conv_in", [inChannels, channels]),
    ...plan.down.flatMap((each, index) => level(each, `down_blocks.${index}`, "downsamplers")),
    ...plan.middle.flatMap((each, index) => block(each, "mid_block", index)),
    // Both number the way up from the bottom.
    ...plan.up.flatMap((each, index) => level(each, `up_blocks.${index}`, "upsamplers")),
    ...norm("norm_out", "conv_norm_out", plan.headChannels),
    ...conv("conv_out", "conv_out", [plan.headChannels, outChannels]),
  ];
}

/** A table, which both sides keep row by row: one long vector. */
function embedding(rows: number, width: number): TensorLink {
  const [ours, theirs] = ["classes.embedding", "class_embedding.weight"];
  return { ours, theirs, shape: [rows, width], taps: 1, inputs: rows * width, outputs: 1, ourOutputs: 1, column: 0 };
}

/** Inputs and outputs of a layer. */
type Sizes = readonly [inputs: number, outputs: number];

function blockLinks(
  { name, inChannels, outChannels, attention }: BlockPlan,
  { prefix, index, width }: { readonly prefix: string; readonly index: number; readonly width: number },
): TensorLink[] {
  const theirs = `${prefix}.resnets.${index}`;
  return [
    ...norm(`${name}.norm1`, `${theirs}.norm1`, inChannels),
    ...conv(`${name}.conv1`, `${theirs}.conv1`, [inChannels, outChannels]),
    ...dense(`${name}.time`, `${theirs}.time_emb_proj`, [width, outChannels]),
    ...norm(`${name}.norm2`, `${theirs}.norm2`, outChannels),
    ...conv(`${name}.conv2`, `${theirs}.conv2`, [outChannels, outChannels]),
    ...(inChannels === outChannels
      ? []
      : layer(`${name}.shortcut`, `${theirs}.conv_shortcut`, { sizes: [inChannels, outChannels], taps: [1, 1] })),
    ...(attention === undefined ? [] : attentionLinks(attention, `${prefix}.attentions.${index}`, outChannels)),
  ];
}

function attentionLinks(ours: string, theirs: string, channels: number): TensorLink[] {
  const sizes = [channels, channels] as const;
  const part = (index: number, name: string, older: string) =>
    layer(`${ours}.qkv`, `${theirs}.${name}`, {
      sizes,
      older: `${theirs}.${older}`,
      ourOutputs: 3 * channels,
      column: index * channels,
    });
  return [
    ...norm(`${ours}.norm`, `${theirs}.group_norm`, channels),
    ...part(0, "to_q", "query"),
    ...part(1, "to_k", "key"),
    ...part(2, "to_v", "value"),
    ...layer(`${ours}.out`, `${theirs}.to_out.0`, { sizes, older: `${theirs}.proj_attn` }),
  ];
}

function conv(ours: string, theirs: string, sizes: Sizes): TensorLink[] {
  return layer(ours, theirs, { sizes, taps: [3, 3] });
}

function dense(ours: string, theirs: string, sizes: Sizes): TensorLink[] {
  return layer(ours, theirs, { sizes });
}

/** Kernel and bias. */
function layer(
  ours: string,
  theirs: string,
  { sizes: [inputs, outputs], taps = [], older, ourOutputs = outputs, column = 0 }: {
    readonly sizes: Sizes;
    readonly taps?: readonly number[];
    readonly older?: string;
    readonly ourOutputs?: number;
    readonly column?: number;
  },
): TensorLink[] {
  const shared = { outputs, ourOutputs, column };
  const olderName = (suffix: string) => older === undefined ? {} : { older: `${older}.${suffix}` };
  return [
    {
      ...shared,
      ...olderName("weight"),
      ours: `${ours}.kernel`,
      theirs: `${theirs}.weight`,
      shape: [outputs, inputs, ...taps],
      taps: taps.reduce((product, length) => product * length, 1),
      inputs,
    },
    { ...shared, ...olderName("bias"), ...vector(`${ours}.bias`, `${theirs}.bias`, outputs) },
  ];
}

function norm(ours: string, theirs: string, channels: number): TensorLink[] {
  const shared = { outputs: channels, ourOutputs: channels, column: 0 };
  return [
    { ...shared, ...vector(`${ours}.scale`, `${theirs}.weight`, channels) },
    { ...shared, ...vector(`${ours}.bias`, `${theirs}.bias`, channels) },
  ];
}

function vector(ours: string, theirs: string, length: number) {
  return { ours, theirs, shape: [length], taps: 1, inputs: 1 };
}
