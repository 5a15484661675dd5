import * as tf from "@tensorflow/tfjs-core";
import { defineAutoencoder } from "noiseline";
import { conv, convParameters, norm, normParameters, silu, type Weights } from "noiseline/layers";
import { z } from "zod";

/**
 * Latents of half the height and width. Squares of two by two pixels become one pixel of four times the channels and
 * back, so that all convolutions run at the latents' own resolution.
 */
export default defineAutoencoder({
  params: z.strictObject({
    width: z.int().min(4).max(1024).multipleOf(4).default(64).describe("Channels of the hidden layers"),
    latentChannels: z.int().min(1).max(1024).default(4).describe("Channels of the latents"),
  }),

  build({ height, width: columns, channels }, { width, latentChannels }) {
    if (height % 2 !== 0 || columns % 2 !== 0) {
      throw new RangeError(`Images of ${height}x${columns}: wanted an even height and width`);
    }
    const latent = { height: height / 2, width: columns / 2, channels: latentChannels };
    const layers = (half: string, from: number, to: number) => [
      ...convParameters(`${half}.in`, from, width),
      ...normParameters(`${half}.norm`, width),
      ...convParameters(`${half}.out`, width, to),
    ];
    const run = (weights: Weights, half: string, x: tf.Tensor) =>
      conv(weights, `${half}.out`, silu(norm(weights, `${half}.norm`, conv(weights, `${half}.in`, x))));
    const squares = [latent.height, 2, latent.width, 2, channels];
    return {
      // Parameters named decoder.… belong to the decoder alone: another decoder takes the same latents.
      parameters: [
        ...layers("encoder", 4 * channels, 2 * latentChannels),
        ...layers("decoder", latentChannels, 4 * channels),
      ],
      latent,

      encode({ weights, x }) {
        const pixels = tf.transpose(tf.reshape(x, [-1, ...squares]), [0, 1, 3, 2, 4, 5]);
        const deep = tf.reshape(pixels, [-1, latent.height, latent.width, 4 * channels]);
        const [mean, logVariance] = tf.split(run(weights, "encoder", deep), 2, 3) as [tf.Tensor, tf.Tensor];
        return { mean, logVariance: tf.clipByValue(logVariance, -30, 20) };
      },

      decode({ weights, z }) {
        const deep = tf.reshape(run(weights, "decoder", z), [-1, latent.height, latent.width, 2, 2, channels]);
        return tf.reshape(tf.transpose(deep, [0, 1, 3, 2, 4, 5]), [-1, height, columns, channels]);
      },
    };
  },
});
