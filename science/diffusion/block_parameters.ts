import type { ParameterSpec } from "./define.ts";
import { convParameters, denseParameters, layerParameters, normParameters } from "./layer_parameters.ts";

/** Parameters of the blocks of `blocks.ts`. This module does not need TF.js. */

/** One residual block and the self-attention after it, if any. `name` is the prefix of its parameters. */
export interface BlockPlan {
  readonly name: string;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Prefix of the attention's parameters, or undefined without attention. */
  readonly attention: string | undefined;
}

/**
 * `scale` of the layers that Ho et al. initialise to zero: tiny, so that the layers before them still receive a
 * gradient.
 */
export const ZERO_SCALE = 1e-10;

/**
 * Returns the parameters of a residual block and of the self-attention after it.
 * @param timeWidth width of the time embedding; undefined if the network has none
 */
export function blockParameters(block: BlockPlan, timeWidth: number | undefined): ParameterSpec[] {
  const { name, inChannels, outChannels, attention } = block;
  return [
    ...normParameters(`${name}.norm1`, inChannels),
    ...convParameters(`${name}.conv1`, inChannels, outChannels),
    ...(timeWidth === undefined ? [] : denseParameters(`${name}.time`, timeWidth, outChannels)),
    ...normParameters(`${name}.norm2`, outChannels),
    ...convParameters(`${name}.conv2`, outChannels, outChannels, ZERO_SCALE),
    ...(inChannels === outChannels ? [] : denseParameters(`${name}.shortcut`, inChannels, outChannels)),
    ...(attention === undefined ? [] : attentionParameters(attention, outChannels)),
  ];
}

/**
 * Returns the number of values that the operations of a block compute for an image, about as many as in its trace.
 * @param heads of its attention
 */
export function blockActivations({ inChannels, outChannels, attention }: BlockPlan, pixels: number, heads = 1): number {
  const attended = attention === undefined ? 0 : 14 * outChannels * pixels + 3 * heads * pixels ** 2;
  return (6 * inChannels + 10 * outChannels) * pixels + attended;
}

function attentionParameters(name: string, channels: number): ParameterSpec[] {
  return [
    ...normParameters(`${name}.norm`, channels),
    // Queries, keys and values are side by side in one product; each third is initialised like a square layer.
    ...layerParameters(`${name}.qkv`, [channels, 3 * channels], { scale: 1, fanIn: channels, fanOut: channels }),
    ...denseParameters(`${name}.out`, channels, channels, ZERO_SCALE),
  ];
}
