import type { UnetConfig } from "../unet/config.ts";
import { type ParameterSpec, sizeOf, unetParameterSpecs } from "../unet/parameters.ts";

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
  readonly older: string;
  /** Of their tensor. */
  readonly shape: readonly number[];
  readonly taps: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly ourOutputs: number;
  readonly column: number;
}

/** What to replace in a name of ours, one after the other, to get theirs. */
const NAMES: readonly (readonly [ours: RegExp, theirs: string])[] = [
  [/^time\.dense/, "time_embedding.linear_"],
  [/^classes\.embedding$/, "class_embedding.weight"],
  [/^norm_out/, "conv_norm_out"],
  [/^middle\.attention/, "mid_block.attentions.0"],
  [/^middle\.block/, "mid_block.resnets"],
  [/^(down|up)\.(\d+)\.(\w+)sample/, "$1_blocks.$2.$3samplers.0.conv"],
  [/^(down|up)\.(\d+)\.block/, "$1_blocks.$2.resnets"],
  [/^(down|up)\.(\d+)\.attention/, "$1_blocks.$2.attentions"],
  [/\.time\./, ".time_emb_proj."],
  [/\.shortcut\./, ".conv_shortcut."],
  [/(attentions\.\d+)\.norm/, "$1.group_norm"],
  [/(attentions\.\d+)\.out/, "$1.to_out.0"],
  [/\.(kernel|scale)$/, ".weight"],
];

const OLDER_NAMES: readonly (readonly [newer: string, older: string])[] = [
  [".to_q.", ".query."],
  [".to_k.", ".key."],
  [".to_v.", ".value."],
  [".to_out.0.", ".proj_attn."],
];

/**
 * Every tensor of the `UNet2DModel` that belongs to a configuration, in the order of our parameters.
 *
 * @param config must have no problems (see `validateUnetConfig`)
 */
export function unet2dLinks(config: UnetConfig): TensorLink[] {
  const last = config.multipliers.length - 1;
  return unetParameterSpecs(config).flatMap((spec) => {
    // They number the way up from the bottom.
    const ours = spec.name.replace(/^up\.(\d+)/, (_, level) => `up.${last - Number(level)}`);
    return linksOf(spec, NAMES.reduce((name, [from, to]) => name.replace(from, to), ours));
  });
}

function linksOf({ name: ours, shape }: ParameterSpec, theirs: string): TensorLink[] {
  if (ours === "classes.embedding") {
    // A table, which both sides keep row by row: one long vector.
    const inputs = sizeOf({ shape });
    return [{ ours, theirs, older: theirs, shape, taps: 1, inputs, outputs: 1, ourOutputs: 1, column: 0 }];
  }
  const ourOutputs = shape.at(-1)!;
  const inputs = shape.at(-2) ?? 1;
  // Our shortcut is a dense layer.
  const taps = theirs.includes(".conv_shortcut.") ? [1, 1] : shape.slice(0, -2);
  const parts = theirs.includes(".qkv.") ? ["to_q", "to_k", "to_v"] : [""];
  const outputs = ourOutputs / parts.length;
  return parts.map((part, index) => {
    const name = theirs.replace("qkv", part);
    return {
      ours,
      theirs: name,
      older: OLDER_NAMES.reduce((text, [newer, older]) => text.replace(newer, older), name),
      shape: shape.length === 1 ? [outputs] : [outputs, inputs, ...taps],
      taps: sizeOf({ shape: taps }),
      inputs,
      outputs,
      ourOutputs,
      column: index * outputs,
    };
  });
}
