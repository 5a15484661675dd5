import { defineNetwork } from "noiseline";
import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
export default defineNetwork({
  params: z.strictObject({ width: z.int().min(1).min(1).max(512).default(16) }),
  build: ({ channels, outChannels }, { width }) => ({
    parameters: [
      { name: "in/kernel", shape: [3, 3, channels, width], init: { scale: 1, fanIn: 9 * channels, fanOut: 9 * width } },
      { name: "time/kernel", shape: [1, width], init: { normal: 0.02 } },
      { name: "out/kernel", shape: [3, 3, width, outChannels], init: "zeros" },
    ],
    forward: ({ weights, x, t }) => {
      const h = tf.conv2d(x as tf.Tensor4D, weights["in/kernel"] as tf.Tensor4D, 1, "same");
      const at = tf.matMul(tf.reshape(tf.cast(t, "float32"), [-1, 1]), weights["time/kernel"] as tf.Tensor2D);
      return tf.conv2d(
        tf.tanh(tf.add(h, tf.reshape(at, [-1, 1, 1, width]))) as tf.Tensor4D,
        weights["out/kernel"] as tf.Tensor4D,
        1,
        "same",
      );
    },
  }),
});
