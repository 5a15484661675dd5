import * as tf from "@tensorflow/tfjs-core";
import { defineNetwork } from "noiseline";
import { dense, denseParameters, silu, timeEmbedding } from "noiseline/layers";
import { z } from "zod";

/** A multilayer perceptron over all numbers of an item and an embedding of t, for points and short signals. */
export default defineNetwork({
  params: z.strictObject({
    depth: z.int().min(1).max(16).default(3).describe("Number of hidden layers"),
    width: z.int().min(8).max(2048).multipleOf(4).default(128).describe("Numbers in a hidden layer; a multiple of 4"),
  }),
  build({ height, width: across, channels, outChannels }, { depth, width }) {
    const pixels = height * across;
    return {
      parameters: [
        ...denseParameters("in", pixels * channels, width),
        ...denseParameters("time", width, width),
        ...Array.from({ length: depth }, (_, i) => [`first${i}`, `told${i}`, `second${i}`]).flat().flatMap((name) =>
          denseParameters(name, width, width)
        ),
        ...denseParameters("out", width, pixels * outChannels),
      ],
      forward({ weights, x, t }) {
        const time = silu(dense(weights, "time", timeEmbedding(t, width)));
        let h = dense(weights, "in", tf.reshape(x, [-1, pixels * channels]));
        for (let i = 0; i < depth; i++) {
          const told = tf.add(dense(weights, `first${i}`, silu(h)), dense(weights, `told${i}`, time));
          h = tf.add(h, dense(weights, `second${i}`, silu(told)));
        }
        return tf.reshape(dense(weights, "out", silu(h)), [-1, height, across, outChannels]);
      },
    };
  },
});
