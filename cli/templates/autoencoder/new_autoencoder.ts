import * as tf from "@tensorflow/tfjs-core";
import { defineAutoencoder } from "noiseline";
import { conv, convParameters, silu, upsample } from "noiseline/layers";
import { z } from "zod";

/** Latents of half the height and width, by two convolutions, and images by two more. */
export default defineAutoencoder({
  params: z.strictObject({
    width: z.int().min(1).max(1024).default(64).describe("Channels of the hidden layers"),
    latentChannels: z.int().min(1).max(1024).default(4).describe("Channels of the latents"),
  }),

  build({ height, width: columns, channels }, { width, latentChannels }) {
    if (height % 2 + columns % 2 > 0) throw new RangeError(`Images of ${height}x${columns}: wanted even sides`);
    return {
      parameters: [
        ...convParameters("encoder.in", channels, width),
        ...convParameters("encoder.out", width, 2 * latentChannels),
        // Parameters named decoder.… belong to the decoder alone: another decoder takes the same latents.
        ...convParameters("decoder.in", latentChannels, width),
        ...convParameters("decoder.out", width, channels),
      ],
      latent: { height: height / 2, width: columns / 2, channels: latentChannels },

      encode({ weights, x }) {
        const h = conv(weights, "encoder.out", silu(conv(weights, "encoder.in", x, { stride: 2 })));
        const [mean, logVariance] = tf.split(h, 2, 3) as [tf.Tensor, tf.Tensor];
        return { mean, logVariance: tf.clipByValue(logVariance, -30, 20) };
      },

      decode: ({ weights, z }) => conv(weights, "decoder.out", upsample(silu(conv(weights, "decoder.in", z)))),
    };
  },
});
