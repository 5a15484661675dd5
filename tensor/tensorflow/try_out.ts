import * as tf from "@tensorflow/tfjs";
import process from "node:process";
import type { Installation } from "./installation.ts";
import { loadTensorflow, TENSORFLOW_BACKEND } from "./load.ts";
import { withBackend } from "../eager/backend.ts";

/**
 * Main module of a process of its own, in which an installation is tried before it is published: an addon that does not
 * fit its library may end the process. Prints `{ version, usesGpu, gradient }` as JSON.
 */

await tf.ready();
const { version, usesGpu } = loadTensorflow(JSON.parse(process.argv[2]!) as Installation);
const gradient = withBackend(TENSORFLOW_BACKEND, () =>
  tf.tidy(() => {
    // d/dw of the sum of a 2x2 convolution of four ones by w: each weight meets four ones.
    const image = tf.ones([1, 3, 3, 1]) as tf.Tensor4D;
    const sum = (w: tf.Tensor) => tf.sum(tf.conv2d(image, w as tf.Tensor4D, 1, "valid"));
    return [...tf.grad(sum)(tf.ones([2, 2, 1, 1])).dataSync()];
  }));
process.stdout.write(`${JSON.stringify({ version, usesGpu, gradient })}\n`);
