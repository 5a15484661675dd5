import type { NamedTensors, Tensor } from "../../tensor/device.ts";
import type { DefinitionParams, ImageSizes, ParameterSpec, ParamsOf } from "../definition_params.ts";

/** The Gaussian of each image's latents, [B, h, w, c], or without a log variance the latents themselves. */
export interface Moments {
  /** The mean, or the latents. */
  readonly mean: Tensor;
  /** The log of the variance. */
  readonly logVariance?: Tensor | undefined;
}

/** The result of quantising latents. */
export interface Quantized {
  /** Each position's code, [B, h, w, c], through which the gradient goes as if nothing were quantised. */
  readonly z: Tensor;
  /**
   * Terms of the training loss by name, [B] each. A built-in loss weights `codebook` and `commitment`, and counts every
   * other term as it is.
   */
  readonly losses: Readonly<NamedTensors>;
  /** How many positions of the batch each code was chosen for, [codes]. */
  readonly counts?: Tensor;
}

/** The inputs of an encoder. */
export interface EncodeInputs {
  /** Parameters by name. */
  readonly weights: Readonly<NamedTensors>;
  /** Images, [B, H, W, C]. */
  readonly x: Tensor;
  /**
   * Applies dropout at the rate that the training sets, with a different mask for each call; returns its argument if
   * nothing is dropped, as in encoding and decoding.
   */
  readonly dropout: (h: Tensor) => Tensor;
}

/** The inputs of a decoder. */
export interface DecodeInputs extends Omit<EncodeInputs, "x"> {
  /** Latents, [B, h, w, c]; quantised ones if the autoencoder quantises. */
  readonly z: Tensor;
}

/** The inputs of an autoencoder's own loss. */
export interface AutoencoderLossInputs {
  /** Images of the batch, [B, H, W, C]. */
  readonly x: Tensor;
  /** The images that the decoder makes of their latents, [B, H, W, C]. */
  readonly reconstruction: Tensor;
  /** The Gaussian of the latents. */
  readonly moments: Moments;
  /** The terms that `quantize` returned; empty without it. */
  readonly quantizeLosses: Readonly<NamedTensors>;
  /** Returns its argument and stops the gradient. */
  readonly stopGradient: (x: Tensor) => Tensor;
}

/**
 * An autoencoder for images of one size. Parameters whose names begin with `decoder.` or `codebook.` belong to the
 * decoder alone: latents are the same whatever they are.
 */
export interface AutoencoderCode {
  /** All learned parameters. */
  readonly parameters: readonly ParameterSpec[];
  /** The size of the latents. */
  readonly latent: ImageSizes;
  /** A pure function over TF.js tensors, from images to the Gaussian of their latents. */
  readonly encode: (inputs: EncodeInputs) => Moments;
  /** Quantises latents, in training and before they are decoded. Absent: latents are decoded as they are. */
  readonly quantize?: (inputs: Omit<DecodeInputs, "dropout">) => Quantized;
  /** A pure function over TF.js tensors. @returns [B, H, W, C] */
  readonly decode: (inputs: DecodeInputs) => Tensor;
  /** Returns the terms of a training loss by name, [B] each, whose sum is minimised. Absent: the built-in loss. */
  readonly loss?: (inputs: AutoencoderLossInputs) => Readonly<NamedTensors>;
}

/** An autoencoder of any kind, the default export of the file that `model: { uses: … }` names. */
export interface AutoencoderDefinition<P extends DefinitionParams = DefinitionParams> {
  /** A strict Zod object. All params are part of the cache key. */
  readonly params: P;
  /** Builds the autoencoder for images of this size. A RangeError says what does not fit. */
  build(sizes: ImageSizes, params: ParamsOf<P>): AutoencoderCode;
}
