import type { ParameterSpec } from "../define.ts";
import { describeMisfits, shapesOf } from "../misfits.ts";
import { type NamedArrays, sizeOf } from "../network.ts";
import { AUGMENTATION_EMBEDDING } from "../unet/plan.ts";
import { InterchangeError, type InterchangeProblem } from "./problem.ts";

/** One tensor of a PyTorch model, row-major. */
export interface TorchTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** How another program names and stores the parameters of the same network. */
export interface Dialect {
  /** Replacements, made one after the other, that turn a name of noiseline into one of the program. */
  readonly names: readonly (readonly [ours: RegExp, theirs: string | ((...found: string[]) => string)])[];
  /** Names, in place of `qkv`, of queries, keys and values. */
  readonly attention: readonly [string, string, string];
  /** Names of the dense layers that are 1x1 convolutions there. */
  readonly pointwise: RegExp;
  /** Replacements that turn a name into that of an older release, which can be read as well. */
  readonly older?: readonly (readonly [newer: string, older: string])[];
}

type TensorLink = ReturnType<typeof linksOf>[number];

/**
 * Returns the tensors that hold the numbers of one of noiseline's parameters, and their place in it. A tensor is [out,
 * in, taps...], the parameter [taps..., in, ourOut], and the tensor is its columns from `column` on. Vectors have one
 * tap and one input.
 *
 * @returns `older` is the name in an older release; no tensor for a parameter that the program does not have
 */
function linksOf({ name: ours, shape }: ParameterSpec, { names, attention, pointwise, older = [] }: Dialect) {
  // A network that samples is told of no augmentation: the layer adds zeros.
  if (ours === AUGMENTATION_EMBEDDING) return [];
  const theirs = names.reduce((name, [from, to]) => name.replace(from, to as string), ours);
  if (ours === "classes.embedding" || ours === "codebook.codes") {
    // A table, which both sides store row by row, is treated as one long vector.
    const inputs = sizeOf({ shape });
    return [{ ours, theirs, older: theirs, shape, taps: 1, inputs, outputs: 1, ourOutputs: 1, column: 0 }];
  }
  const ourOutputs = shape.at(-1)!;
  const inputs = shape.at(-2) ?? 1;
  const taps = pointwise.test(theirs) ? [1, 1] : shape.slice(0, -2);
  const parts = theirs.includes(".qkv.") ? attention : [""];
  const outputs = ourOutputs / parts.length;
  return parts.map((part, index) => {
    const name = theirs.replace("qkv", part);
    return {
      ours,
      theirs: name,
      older: older.reduce((text, [newer, older]) => text.replace(newer, older), name),
      shape: shape.length === 1 ? [outputs] : [outputs, inputs, ...taps],
      taps: sizeOf({ shape: taps }),
      inputs,
      outputs,
      ourOutputs,
      column: index * outputs,
    };
  });
}

/** Returns the other program's tensors by name. @param named as from `unpackParameters` */
export function toTorchTensors(
  named: Readonly<Record<string, Float32Array>>,
  specs: readonly ParameterSpec[],
  dialect: Dialect,
) {
  return Object.fromEntries(
    specs.flatMap((spec) => linksOf(spec, dialect)).map((link) => {
      const source = named[link.ours]!;
      const data = new Float32Array(link.outputs * link.inputs * link.taps);
      forEachElementPair(link, (theirs, ours) => data[theirs] = source[ours]!);
      return [link.theirs, { shape: link.shape, data }];
    }),
  );
}

/**
 * Returns the parameters from another program's tensors, 0 where no tensor belongs to one.
 * @throws InterchangeError that names all tensors that do not fit
 */
export function fromTorchTensors(
  tensors: Readonly<Record<string, TorchTensor>>,
  specs: readonly ParameterSpec[],
  { dialect, ...said }: Pick<InterchangeProblem, "message" | "fix"> & { readonly dialect: Dialect },
): NamedArrays {
  const found = specs.flatMap((spec) => linksOf(spec, dialect)).map((link) => {
    return { ...link, name: tensors[link.theirs] === undefined && tensors[link.older] ? link.older : link.theirs };
  });
  const given = Object.entries(tensors).map(([name, { shape }]) => ({ name, shape }));
  const misfits = describeMisfits(shapesOf(given), shapesOf(found));
  if (misfits.length > 0) {
    const wanted = "all tensors of that network, and no others";
    throw new InterchangeError({ ...said, got: misfits.join("\n"), wanted });
  }
  const named: NamedArrays = Object.create(null);
  for (const spec of specs) named[spec.name] = new Float32Array(sizeOf(spec));
  for (const link of found) {
    const [source, target] = [tensors[link.name]!.data, named[link.ours]!];
    forEachElementPair(link, (theirs, ours) => target[ours] = source[theirs]!);
  }
  return named;
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

/** Names around the latents of an autoencoder, and of all weights, that diffusers has from CompVis/latent-diffusion. */
export const SHARED_NAMES: Dialect["names"] = [
  [/^encoder\.latent/, "quant_conv"],
  [/^decoder\.latent/, "post_quant_conv"],
  [/^codebook\.codes$/, "quantize.embedding.weight"],
  [/\.(kernel|scale)$/, ".weight"],
];

/** Returns the names of diffusers for a network of so many levels. */
export const diffusersNames = (levels: number): Dialect => ({
  names: [
    // On the way up, it numbers levels from the bottom.
    [/(^|\.)up\.(\d+)/, (_, before, level) => `${before}up.${levels - 1 - Number(level)}`],
    [/^time\.dense/, "time_embedding.linear_"],
    [/^classes\.embedding$/, "class_embedding.weight"],
    [/(^|\.)norm_out/, "$1conv_norm_out"],
    [/(^|\.)middle\.attention/, "$1mid_block.attentions.0"],
    [/(^|\.)middle\.block/, "$1mid_block.resnets"],
    [/(^|\.)(down|up)\.(\d+)\.(\w+)sample/, "$1$2_blocks.$3.$4samplers.0.conv"],
    [/(^|\.)(down|up)\.(\d+)\.block/, "$1$2_blocks.$3.resnets"],
    [/(^|\.)(down|up)\.(\d+)\.attention/, "$1$2_blocks.$3.attentions"],
    [/\.time\./, ".time_emb_proj."],
    [/\.shortcut\./, ".conv_shortcut."],
    [/(attentions\.\d+)\.norm/, "$1.group_norm"],
    [/(attentions\.\d+)\.out/, "$1.to_out.0"],
    ...SHARED_NAMES,
  ],
  attention: ["to_q", "to_k", "to_v"],
  pointwise: /\.conv_shortcut\.|^(post_)?quant_conv\./,
  // `_convert_deprecated_attention_blocks`
  older: [[".to_q.", ".query."], [".to_k.", ".key."], [".to_v.", ".value."], [".to_out.0.", ".proj_attn."]],
});
