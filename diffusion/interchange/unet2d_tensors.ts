import type { ParameterSpec } from "../define.ts";
import { type NamedArrays, sizeOf } from "../network.ts";
import { describeMisfits, shapesOf } from "../misfits.ts";
import type { UnetConfig } from "../unet/config.ts";
import { AUGMENTATION_EMBEDDING, unetParameterSpecs } from "../unet/plan.ts";
import type { Translated } from "./problem.ts";

/** One tensor of a `UNet2DModel`, row-major. */
export interface Unet2dTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** Returns the state dict of the `UNet2DModel` of `toUnet2dConfig(config)`. @param named as from `unpackParameters` */
export function toUnet2dTensors(named: Readonly<Record<string, Float32Array>>, config: UnetConfig) {
  return Object.fromEntries(
    unet2dLinks(config).map((link) => {
      const source = named[link.ours]!;
      const data = new Float32Array(link.outputs * link.inputs * link.taps);
      forEachElementPair(link, (theirs, ours) => data[theirs] = source[ours]!);
      return [link.theirs, { shape: link.shape, data }];
    }),
  );
}

/** Returns the parameters from the state dict of a `UNet2DModel`, or all tensors that do not fit. */
export function fromUnet2dTensors(
  tensors: Readonly<Record<string, Unet2dTensor>>,
  config: UnetConfig,
): Translated<NamedArrays> {
  const links = unet2dLinks(config).map((link) => {
    return { ...link, name: tensors[link.theirs] === undefined && tensors[link.older] ? link.older : link.theirs };
  });
  const given = Object.entries(tensors).map(([name, { shape }]) => ({ name, shape }));
  const misfits = describeMisfits(shapesOf(given), shapesOf(links));
  if (misfits.length > 0) {
    return {
      problem: {
        message: "the weights are not those of the network that their config.json describes",
        got: misfits.join("\n"),
        wanted: "all tensors of that network, and no others",
        fix: "take config.json and the weights from one save_pretrained of a UNet2DModel",
      },
    };
  }
  const named: NamedArrays = {};
  for (const spec of unetParameterSpecs(config)) named[spec.name] = new Float32Array(sizeOf(spec));
  for (const link of links) {
    const [source, target] = [tensors[link.name]!.data, named[link.ours]!];
    forEachElementPair(link, (theirs, ours) => target[ours] = source[theirs]!);
  }
  return { value: named };
}

/** Visits all elements of a tensor with their indices in both layouts. */
function forEachElementPair(link: TensorLink, visit: (theirs: number, ours: number) => void): void {
  const { outputs, inputs, taps, ourOutputs, column } = link;
  let theirs = 0;
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      for (let tap = 0; tap < taps; tap++) {
        visit(theirs++, (tap * inputs + input) * ourOutputs + column + output);
      }
    }
  }
}

type TensorLink = ReturnType<typeof linksOf>[number];

/** Replacements, made one after the other, that turn a name of noiseline into a name of diffusers. */
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
 * Returns every tensor of the `UNet2DModel` that belongs to a configuration, in the order of noiseline's parameters.
 *
 * @param config must have no problems (see `validateUnetConfig`)
 */
function unet2dLinks(config: UnetConfig) {
  const last = config.multipliers.length - 1;
  // A network that samples is told of no augmentation: the layer adds zeros.
  return unetParameterSpecs(config).filter(({ name }) => name !== AUGMENTATION_EMBEDDING).flatMap((spec) => {
    // diffusers numbers the levels of the up path from the bottom.
    const ours = spec.name.replace(/^up\.(\d+)/, (_, level) => `up.${last - Number(level)}`);
    return linksOf(spec, NAMES.reduce((name, [from, to]) => name.replace(from, to), ours));
  });
}

/**
 * Returns the tensors of a `UNet2DModel` that hold the numbers of one of noiseline's parameters, and their place in it.
 * A tensor is [out, in, taps...], the parameter [taps..., in, ourOut], and the tensor is its columns from `column` on.
 * Vectors have one tap and one input.
 *
 * @returns `older` is the name in early releases of diffusers, which newer ones still read
 * (`_convert_deprecated_attention_blocks`)
 */
function linksOf({ name: ours, shape }: ParameterSpec, theirs: string) {
  if (ours === "classes.embedding") {
    // A table, which both sides store row by row, is treated as one long vector.
    const inputs = sizeOf({ shape });
    return [{ ours, theirs, older: theirs, shape, taps: 1, inputs, outputs: 1, ourOutputs: 1, column: 0 }];
  }
  const ourOutputs = shape.at(-1)!;
  const inputs = shape.at(-2) ?? 1;
  // Noiseline's shortcut is a dense layer; diffusers' is a 1x1 convolution.
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
