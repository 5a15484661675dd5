import type { ParameterSpec } from "../define.ts";
import { type NamedArrays, sizeOf } from "../network.ts";
import type { UnetConfig } from "../unet/config.ts";
import { unetParameterSpecs } from "../unet/plan.ts";
import type { Translated } from "./problem.ts";

/** One tensor of a `UNet2DModel`, row-major. */
export interface Unet2dTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** The layer whose inputs are the sines and cosines of the timestep. */
const TIME_KERNEL = "time.dense1.kernel";

/** Returns the state dict of the `UNet2DModel` of `toUnet2dConfig(config)`. @param named as from `unpackParameters` */
export function toUnet2dTensors(named: Readonly<Record<string, Float32Array>>, config: UnetConfig) {
  return Object.fromEntries(
    unet2dLinks(config).map((link) => {
      const source = named[link.ours]!;
      const data = new Float32Array(link.outputs * link.inputs * link.taps);
      forEachElementPair(link, 0, (theirs, ours) => data[theirs] = source[ours]!);
      return [link.theirs, { shape: link.shape, data }];
    }),
  );
}

/**
 * Returns the parameters from the state dict of a `UNet2DModel`, or the first tensor that is missing, unknown or of
 * another shape.
 *
 * @param options.flipped true if the model's time embedding has cosines before sines: the rows that read them are
 * swapped
 */
export function fromUnet2dTensors(
  tensors: Readonly<Record<string, Unet2dTensor>>,
  config: UnetConfig,
  { flipped }: { readonly flipped: boolean },
): Translated<NamedArrays> {
  const named: NamedArrays = {};
  for (const spec of unetParameterSpecs(config)) named[spec.name] = new Float32Array(sizeOf(spec));
  const unread = new Set(Object.keys(tensors));
  for (const link of unet2dLinks(config)) {
    const name = tensors[link.theirs] === undefined ? link.older : link.theirs;
    const tensor = tensors[name];
    if (tensor === undefined) return tensorProblem(link.theirs, "none", `shape [${link.shape}]`);
    if (`${tensor.shape}` !== `${link.shape}`) return tensorProblem(name, `shape [${tensor.shape}]`, `[${link.shape}]`);
    unread.delete(name);
    const target = named[link.ours]!;
    const rotation = flipped && link.ours === TIME_KERNEL ? link.inputs / 2 : 0;
    forEachElementPair(link, rotation, (theirs, ours) => target[ours] = tensor.data[theirs]!);
  }
  const [extra] = unread;
  return extra === undefined
    ? { value: named }
    : tensorProblem(extra, `shape [${tensors[extra]!.shape}]`, "no such tensor");
}

/**
 * Visits all elements of a tensor with their indices in both layouts.
 * @param rotation offset of noiseline's inputs from those of the `UNet2DModel`
 */
function forEachElementPair(link: TensorLink, rotation: number, visit: (theirs: number, ours: number) => void): void {
  const { outputs, inputs, taps, ourOutputs, column } = link;
  let theirs = 0;
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      const ourInput = (input + rotation) % inputs;
      for (let tap = 0; tap < taps; tap++) {
        visit(theirs++, (tap * inputs + ourInput) * ourOutputs + column + output);
      }
    }
  }
}

function tensorProblem(name: string, got: string, wanted: string): Translated<never> {
  const message = `the weights are not those of the network that their config.json describes: tensor ${name}`;
  const fix = "take config.json and the weights from one save_pretrained of a UNet2DModel";
  return { problem: { message, got, wanted, fix } };
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
  return unetParameterSpecs(config).flatMap((spec) => {
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
