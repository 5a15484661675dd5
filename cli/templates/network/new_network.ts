import * as tf from "@tensorflow/tfjs-core";
import { defineNetwork } from "noiseline";
import {
  conv,
  convParameters,
  dense,
  denseParameters,
  norm,
  normParameters,
  silu,
  timeEmbedding,
} from "noiseline/layers";
import { z } from "zod";

/**
 * Residual blocks of 3x3 convolutions at the images' own resolution, each conditioned on the time and the label.
 *
 * In a pipeline:
 *
 *     train: { uses: train, …, with: { …, model: { uses: ./new_network.ts, width: 32 } } }
 */
export default defineNetwork({
  params: z.strictObject({
    width: z.int().min(4).max(1024).multipleOf(4).default(32).describe("Channels of each block; a multiple of 4"),
    blocks: z.int().min(1).max(100).default(4).describe("Number of blocks"),
  }),

  build({ channels, outChannels, classes }, { width, blocks }) {
    const names = Array.from({ length: blocks }, (_, i) => `block${i}`);
    // One embedding row for each label and one for no label.
    const labelled = classes === undefined ? [] : denseParameters("labels", classes + 1, width);
    return {
      parameters: [
        ...denseParameters("time", width, width),
        ...labelled,
        ...convParameters("in", channels, width),
        ...names.flatMap((name) => [
          ...normParameters(`${name}.norm`, width),
          ...denseParameters(`${name}.shift`, width, width),
          ...convParameters(`${name}.conv`, width, width),
          // Initialised to zero, so that a block changes nothing at first.
          ...convParameters(`${name}.out`, width, width, 0),
        ]),
        ...normParameters("out.norm", width),
        ...convParameters("out", width, outChannels, 0),
      ],

      forward({ weights, x, t, labels, dropout }) {
        const time = dense(weights, "time", timeEmbedding(t, width));
        const condition = silu(labels === undefined ? time : tf.add(time, dense(weights, "labels", labels)));
        let h = conv(weights, "in", x);
        for (const name of names) {
          const shift = tf.reshape(dense(weights, `${name}.shift`, condition), [-1, 1, 1, width]);
          const normed = silu(norm(weights, `${name}.norm`, h));
          const inner = dropout(silu(conv(weights, `${name}.conv`, normed, { shift })));
          h = tf.add(h, conv(weights, `${name}.out`, inner));
        }
        return conv(weights, "out", silu(norm(weights, "out.norm", h)));
      },
    };
  },
});
