import { blockParameters, type BlockPlan } from "../block_parameters.ts";
import type { ParameterSpec } from "../define.ts";
import { convParameters, denseParameters, normParameters } from "../layer_parameters.ts";
import { assertNone } from "../unet/config.ts";
import { type AutoencoderConfig, validateAutoencoder } from "./config.ts";

/** One step of an encoder or a decoder. `name` is the prefix of its parameters. */
export interface AutoencoderStep extends BlockPlan {
  /**
   * A residual block; a normalisation with SiLU; a 1x1 convolution; or a 3x3 convolution that keeps the resolution,
   * halves it, or has it doubled before.
   */
  readonly layer: "block" | "norm" | "dense" | "conv" | "down" | "up";
}

/** The name of the codebook, [codes, C]. */
export const CODEBOOK = "codebook.codes";

/**
 * Returns the steps of the encoder and of the decoder (CompVis/latent-diffusion, `modules/diffusionmodules/model.py`).
 * Parameters and forward pass are both derived from them, so that they cannot disagree about a channel count.
 *
 * @param config must have no problems (see `validateAutoencoder`)
 */
export function planAutoencoder(config: AutoencoderConfig) {
  const { kind, multipliers, latentChannels, embedChannels = latentChannels } = config;
  // A mean and a log variance for each channel.
  const numbers = kind === "kl" ? 2 : 1;
  const downwards = multipliers.map((_, level) => level);
  let channels = config.imageChannels;

  const step = (layer: AutoencoderStep["layer"], name: string, outChannels = channels, attention?: string) => {
    const inChannels = channels;
    channels = outChannels;
    return { layer, name, inChannels, outChannels, attention };
  };
  const levels = (way: string, order: readonly number[], blocks: number, resample: "down" | "up") =>
    order.flatMap((level, i) => [
      ...Array.from({ length: blocks }, (_, index) => {
        const attention = config.attention.includes(level) ? `${way}.${level}.attention.${index}` : undefined;
        return step("block", `${way}.${level}.block.${index}`, config.channels * multipliers[level]!, attention);
      }),
      ...(i === order.length - 1 ? [] : [step(resample, `${way}.${level}.${resample}sample`)]),
    ]);
  const middle = (half: string) => [
    step("block", `${half}.middle.block.0`, channels, `${half}.middle.attention`),
    step("block", `${half}.middle.block.1`),
  ];

  const encoder: AutoencoderStep[] = [
    step("conv", "encoder.conv_in", config.channels),
    ...levels("encoder.down", downwards, config.blocks, "down"),
    ...middle("encoder"),
    step("norm", "encoder.norm_out"),
    step("conv", "encoder.conv_out", numbers * latentChannels),
    step("dense", "encoder.latent", numbers * embedChannels),
  ];
  channels = embedChannels;
  const decoder: AutoencoderStep[] = [
    step("dense", "decoder.latent", latentChannels),
    step("conv", "decoder.conv_in", config.channels * multipliers.at(-1)!),
    ...middle("decoder"),
    ...levels("decoder.up", downwards.toReversed(), config.blocks + 1, "up"),
    step("norm", "decoder.norm_out"),
    step("conv", "decoder.conv_out", config.imageChannels),
  ];
  return { encoder, decoder };
}

/**
 * Returns all parameters, in the order of the flat vector that holds them.
 *
 * @throws RangeError when the configuration has problems (see `validateAutoencoder`).
 */
export function autoencoderParameterSpecs(config: AutoencoderConfig): ParameterSpec[] {
  assertNone("Autoencoder", validateAutoencoder(config));
  const { encoder, decoder } = planAutoencoder(config);
  const { codes, latentChannels, embedChannels = latentChannels } = config;
  return [
    ...[...encoder, ...decoder].flatMap(parametersOf),
    // CompVis/taming-transformers, `modules/vqvae/quantize.py`.
    ...(codes === undefined ? [] : [{ name: CODEBOOK, shape: [codes, embedChannels], init: { uniform: 1 / codes } }]),
  ];
}

export function parametersOf(step: AutoencoderStep): ParameterSpec[] {
  const { layer, name, inChannels, outChannels } = step;
  if (layer === "block") return blockParameters(step, undefined);
  if (layer === "norm") return normParameters(name, outChannels);
  return (layer === "dense" ? denseParameters : convParameters)(name, inChannels, outChannels);
}
