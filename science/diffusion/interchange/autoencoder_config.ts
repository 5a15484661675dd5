import { type AutoencoderConfig, validateAutoencoder } from "../autoencoder/config.ts";
import { autoencoderParameterSpecs } from "../autoencoder/plan.ts";
import type { Shapes } from "../misfits.ts";
import { autoencoderConfigSchema, type TheirAutoencoder } from "./autoencoder_schema.ts";
import { libraryGroups, normGroupsOf } from "./library_groups.ts";
import { InterchangeError, refusing } from "./problem.ts";

const refuse = refusing("autoencoder is not one of Rombach et al. 2022");

/** The epsilon of all normalisations, which both libraries write down. */
const EPSILON = 1e-6;
/** The number of groups of all normalisations in LDM. */
const LDM_GROUPS = 32;

/** An autoencoder, and the factor that a diffusion's latents have: what its network sees is the latent times it. */
type Published = Readonly<{ config: AutoencoderConfig; factor: number }>;

/**
 * Returns the configuration of an `AutoencoderKL` or `VQModel` that computes the same functions.
 * @param published its config must have no problems @throws InterchangeError if there is none
 */
export function toTheirAutoencoder({ config, factor }: Published): TheirAutoencoder {
  const { kind, latentChannels, embedChannels = latentChannels, normEpsilon = EPSILON } = config;
  const model = kind === "kl" ? "AutoencoderKL" : "VQModel";
  const groups = libraryGroups(config, autoencoderParameterSpecs(config), model);
  const fixed: readonly (readonly [name: string, got: number, wanted: number])[] = [
    ["normEpsilon", normEpsilon, EPSILON],
    ...(kind === "kl" ? [["embedChannels", embedChannels, latentChannels] as const] : []),
  ];
  for (const [name, got, wanted] of fixed) {
    if (got === wanted) continue;
    const fix = `train with ${name} ${wanted}`;
    throw new InterchangeError({ message: `${model} has no other ${name}`, got: `${got}`, wanted: `${wanted}`, fix });
  }
  return autoencoderConfigSchema.parse({
    _class_name: model,
    in_channels: config.imageChannels,
    out_channels: config.imageChannels,
    ...blockTypes(config.multipliers.map((_, level) => config.attention.includes(level))),
    block_out_channels: config.multipliers.map((multiplier) => multiplier * config.channels),
    layers_per_block: config.blocks,
    latent_channels: latentChannels,
    norm_num_groups: groups,
    scaling_factor: factor,
    ...(kind === "kl" ? {} : { num_vq_embeddings: config.codes, vq_embed_dim: embedChannels }),
  });
}

function blockTypes(attends: readonly boolean[]) {
  const types = (way: string) => attends.map((yes) => `${yes ? "Attn" : ""}${way}Block2D`);
  return { down_block_types: types("DownEncoder"), up_block_types: types("UpDecoder").reverse() };
}

/** Returns the autoencoder of a configuration of diffusers. @throws InterchangeError if there is none */
export function fromTheirAutoencoder(theirs: TheirAutoencoder): Published {
  const { in_channels: imageChannels, block_out_channels: widths, latent_channels: latentChannels } = theirs;
  if (theirs.out_channels !== imageChannels) {
    return refuse("out_channels", theirs.out_channels, `in_channels, ${imageChannels}`);
  }
  const { down_block_types: down, up_block_types: up } = theirs;
  const attends = down.map((type) => type === "AttnDownEncoderBlock2D");
  if (down.length !== widths.length || `${up}` !== `${blockTypes(attends).up_block_types}`) {
    return refuse("down_block_types, up_block_types", [down, up], `${widths.length} each, the second mirrored`);
  }
  const vq = theirs._class_name === "VQModel" ? theirs : undefined;
  const config = configOf({
    imageChannels,
    widths,
    blocks: theirs.layers_per_block,
    attention: attends.flatMap((yes, level) => yes ? [level] : []),
    latentChannels,
    embedChannels: vq?.vq_embed_dim ?? latentChannels,
    codes: vq?.num_vq_embeddings,
    groups: theirs.norm_num_groups,
  });
  return { config, factor: theirs.scaling_factor };
}

/**
 * Returns the autoencoder of a state dict of CompVis/latent-diffusion, whose configuration is in another file, from the
 * shapes of its tensors. Shapes that it does not look at may still be others.
 *
 * @throws InterchangeError if there is none
 */
export function fromLdmShapes(shapes: Shapes): AutoencoderConfig {
  const axis = (layer: string, at: number) => shapes.get(`${layer}.weight`)?.[at];
  const count = (layer: (index: number) => string) => {
    let index = 0;
    while (shapes.has(`${layer(index)}.weight`)) index++;
    return index;
  };
  const levels = Array.from({ length: count((level) => `encoder.down.${level}.block.0.conv1`) }, (_, level) => level);
  const widths = levels.map((level) => axis(`encoder.down.${level}.block.0.conv1`, 0)!);
  const [channels, imageChannels] = [axis("encoder.conv_in", 0), axis("encoder.conv_in", 1)];
  const [latentChannels, embedChannels] = [axis("post_quant_conv", 0), axis("post_quant_conv", 1)];
  if (levels.length === 0 || !channels || !imageChannels || !latentChannels || !embedChannels) {
    const wanted = "encoder.conv_in.weight, encoder.down.0.block.0.conv1.weight and post_quant_conv.weight among them";
    return refuse("state_dict", [...shapes.keys()].slice(0, 5), wanted);
  }
  return configOf({
    imageChannels,
    channels,
    widths,
    blocks: count((index) => `encoder.down.0.block.${index}.conv1`),
    attention: levels.filter((level) => shapes.has(`encoder.down.${level}.attn.0.q.weight`)),
    latentChannels,
    embedChannels,
    codes: axis("quantize.embedding", 0),
    groups: LDM_GROUPS,
  });
}

/**
 * Returns the record of an autoencoder with levels of these widths, without details that are as usual: it is the same
 * everywhere.
 *
 * @param sizes its channels are those of the first convolution, default: the first level's
 */
function configOf(
  { widths, channels = widths[0]!, embedChannels, codes, groups, ...sizes }:
    & Pick<AutoencoderConfig, "imageChannels" | "blocks" | "attention" | "latentChannels">
    & Readonly<{ widths: readonly number[]; channels?: number; codes: number | undefined }>
    & Readonly<Record<"embedChannels" | "groups", number>>,
): AutoencoderConfig {
  if (widths.some((width) => width % channels !== 0)) {
    return refuse("block_out_channels", widths, `multiples of the first width, ${channels}`);
  }
  const config: AutoencoderConfig = {
    kind: codes === undefined ? "kl" : "vq",
    channels,
    multipliers: widths.map((width) => width / channels),
    ...sizes,
    ...(embedChannels === sizes.latentChannels ? {} : { embedChannels }),
    ...(codes === undefined ? {} : { codes }),
  };
  const [invalid] = validateAutoencoder({ ...config, groups });
  if (invalid !== undefined) return refuse(invalid.field, invalid.got, invalid.wanted);
  const usual = normGroupsOf(autoencoderParameterSpecs(config));
  return usual.length === 1 && usual[0] === groups ? config : { ...config, groups };
}
