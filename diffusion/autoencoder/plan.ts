import { blockParameters, type BlockPlan, middlePlans } from "../block_parameters.ts";
import type { ParameterSpec } from "../define.ts";
import { convParameters, denseParameters, normParameters } from "../layer_parameters.ts";
import { type AutoencoderConfig, validateAutoencoder } from "./config.ts";

/** One step of an encoder or a decoder. `name` is the prefix of its parameters. */
export type AutoencoderStep =
  | { readonly layer: "block" } & BlockPlan
  /** Normalisation and SiLU. */
  | { readonly layer: "norm"; readonly name: string; readonly outChannels: number }
  /** A 3x3 convolution, after which the resolution is half, or before which it is doubled. */
  | { readonly layer: "conv"; readonly resample?: "down" | "up" } & Widths
  /** A 1x1 convolution. */
  | { readonly layer: "dense" } & Widths;

type Widths = Readonly<{ name: string; inChannels: number; outChannels: number }>;

/** The name of the codebook, [codes, C]. */
export const CODEBOOK = "codebook.codes";

/**
 * Returns the steps of the encoder and of the decoder (CompVis/latent-diffusion, `modules/diffusionmodules/model.py`).
 * Parameters and forward pass are both derived from them, so that they cannot disagree about a channel count.
 *
 * @param config must have no problems (see `validateAutoencoder`)
 */
export function planAutoencoder(config: AutoencoderConfig) {
  const { kind, imageChannels, multipliers, latentChannels, embedChannels = latentChannels } = config;
  // A mean and a log variance for each channel.
  const numbers = kind === "kl" ? 2 : 1;
  const downwards = multipliers.map((_, level) => level);
  let channels = config.channels;

  const layer = (layer: "conv" | "dense", name: string, outChannels: number): AutoencoderStep => {
    const inChannels = channels;
    channels = outChannels;
    return { layer, name, inChannels, outChannels };
  };
  const levels = (way: string, order: readonly number[], blocks: number, resample: "down" | "up") =>
    order.flatMap((level, i): AutoencoderStep[] => [
      ...Array.from({ length: blocks }, (_, index): AutoencoderStep => {
        const inChannels = channels;
        channels = config.channels * multipliers[level]!;
        const attends = config.attention.includes(level);
        const attention = attends ? `${way}.${level}.attention.${index}` : undefined;
        return { layer: "block", name: `${way}.${level}.block.${index}`, inChannels, outChannels: channels, attention };
      }),
      ...(i === order.length - 1
        ? []
        : [{ ...layer("conv", `${way}.${level}.${resample}sample`, channels), resample } as AutoencoderStep]),
    ]);
  const middle = (half: string) =>
    middlePlans(`${half}.middle`, channels).map((plan): AutoencoderStep => ({ layer: "block", ...plan }));
  const norm = (half: string): AutoencoderStep => ({ layer: "norm", name: `${half}.norm_out`, outChannels: channels });

  channels = imageChannels;
  const encoder = [
    layer("conv", "encoder.conv_in", config.channels),
    ...levels("encoder.down", downwards, config.blocks, "down"),
    ...middle("encoder"),
    norm("encoder"),
    layer("conv", "encoder.conv_out", numbers * latentChannels),
    layer("dense", "encoder.latent", numbers * embedChannels),
  ];
  channels = embedChannels;
  const decoder = [
    layer("dense", "decoder.latent", latentChannels),
    layer("conv", "decoder.conv_in", config.channels * multipliers.at(-1)!),
    ...middle("decoder"),
    ...levels("decoder.up", downwards.toReversed(), config.blocks + 1, "up"),
    norm("decoder"),
    layer("conv", "decoder.conv_out", imageChannels),
  ];
  return { encoder, decoder };
}

/**
 * Returns all parameters, in the order of the flat vector that holds them.
 *
 * @throws RangeError when the configuration has problems (see `validateAutoencoder`).
 */
export function autoencoderParameterSpecs(config: AutoencoderConfig): ParameterSpec[] {
  const problems = validateAutoencoder(config).map(({ field, got, wanted }) =>
    `${field}: got ${got}, wanted ${wanted}`
  );
  if (problems.length > 0) throw new RangeError(`Autoencoder configuration: ${problems.join("; ")}`);
  const { encoder, decoder } = planAutoencoder(config);
  const { codes, latentChannels, embedChannels = latentChannels } = config;
  return [
    ...[...encoder, ...decoder].flatMap((step) => {
      if (step.layer === "block") return blockParameters(step, undefined);
      if (step.layer === "norm") return normParameters(step.name, step.outChannels);
      const parameters = step.layer === "conv" ? convParameters : denseParameters;
      return parameters(step.name, step.inChannels, step.outChannels);
    }),
    // CompVis/taming-transformers, `modules/vqvae/quantize.py`.
    ...(codes === undefined ? [] : [{ name: CODEBOOK, shape: [codes, embedChannels], init: { uniform: 1 / codes } }]),
  ];
}
