import * as tf from "@tensorflow/tfjs-core";
import process from "node:process";
import type { ConcreteDeviceName } from "./devices.ts";
import { IMPLEMENTATIONS } from "./implementations.ts";

/**
 * The main module of a separate process, in which a device has to compute before it is used: native code that does not
 * fit its library or its driver may end the process, or never answer. Prints "right" if all is well; else the last line
 * of standard error says what is wrong.
 *
 * Arguments: a device and its numerics; for a set-up also an installation that is not in its place yet.
 */
async function computeSmallProduct([name, numerics, staged]: readonly [ConcreteDeviceName, string, string?]) {
  const installation = staged === undefined ? {} : { installation: JSON.parse(staged) };
  const device = await IMPLEMENTATIONS[name].open({ numerics, ...installation });
  // Integers that every device has to compute exactly, TensorFloat-32 included.
  const compiled = await device.compile(({ a, b, image, weights }) => {
    const sum = (w: tf.Tensor) => tf.sum(tf.conv2d(image as tf.Tensor4D, w as tf.Tensor4D, 1, "valid"));
    return { product: tf.matMul(a!, b!), gradient: tf.grad(sum)(weights!) };
  }, {
    a: { shape: [2, 3], dtype: "float32" },
    b: { shape: [3, 2], dtype: "float32" },
    image: { shape: [1, 3, 3, 1], dtype: "float32" },
    weights: { shape: [2, 2, 1, 1], dtype: "float32" },
  });
  const { product, gradient } = await compiled.run({
    a: Float32Array.of(1, 2, 3, 4, 5, 6),
    b: Float32Array.of(7, 8, 9, 10, 11, 12),
    image: new Float32Array(9).fill(1),
    weights: new Float32Array(4).fill(1),
  });
  // Each weight of a 2x2 convolution is multiplied by four ones of the image.
  const wanted = "58,64,139,154 and 4,4,4,4";
  const got = `${product} and ${gradient}`;
  if (got !== wanted) throw new Error(`got ${got}, wanted ${wanted}`);
}

// Shows everything that TensorFlow logs, since only that says why it finds no card.
process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "0";
try {
  await computeSmallProduct(process.argv.slice(2) as [ConcreteDeviceName, string, string?]);
  process.stdout.write("right\n");
} catch (error) {
  process.stderr.write(`\n${String((error as Error).message).replaceAll("\n", " ")}\n`);
  process.exitCode = 1;
}
// An engine's threads would keep the process alive.
process.exit();
