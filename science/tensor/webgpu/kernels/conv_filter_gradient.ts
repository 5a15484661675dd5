import * as tf from "@tensorflow/tfjs-core";
import { convolutionInfo, windowsOf } from "../../convolution_info.ts";

/**
 * Maximum size of the columns at a time, a buffer size that every adapter supports. Columns are as large as the images
 * times the filter's size.
 */
const MOST_BYTES = 2 ** 27;

/**
 * Computes the gradient of conv2d by its filter, as a product of matrices: for each output pixel a row of the pixels
 * that the taps read there, times the pixel's gradients. TF.js's shader reads everything again for each of the results.
 */
export const convFilterGradient: tf.KernelFunc = ({ inputs, attrs }) =>
  tf.tidy(() => {
    const { x, dy } = inputs as unknown as Record<"x" | "dy", tf.Tensor4D>;
    const { filterShape, ...sizes } = attrs as unknown as tf.Conv2DBackpropFilterAttrs;
    const { kernel, strides, pads } = windowsOf(convolutionInfo(x.shape, filterShape, sizes));
    const [images, down, across, channels] = dy.shape;
    const taps = kernel[0]! * kernel[1]!;
    const most = Math.floor(MOST_BYTES / (4 * down * across * taps * x.shape[3]));
    if (images > Math.max(1, most)) {
      const half = images >> 1;
      const [first, rest] = [[0, half], [half, images - half]].map(([begin, count]) => {
        const part = { x: tf.slice(x, begin!, count!), dy: tf.slice(dy, begin!, count!) };
        return tf.engine().runKernel(tf.Conv2DBackpropFilter, part, attrs) as tf.Tensor;
      });
      return tf.add(first!, rest!);
    }
    const padded = tf.pad(x, [[0, 0], [pads[0]!, pads[2]!], [pads[1]!, pads[3]!], [0, 0]]);
    // Indices of pixels within an image, [output pixels, taps].
    const seen = Int32Array.from({ length: down * across * taps }, (_, i) => {
      const [at, tap] = [Math.floor(i / taps), i % taps];
      const row = Math.floor(at / across) * strides[0]! + Math.floor(tap / kernel[1]!);
      return row * padded.shape[2] + at % across * strides[1]! + tap % kernel[1]!;
    });
    const pixels = tf.reshape(padded, [images, -1, x.shape[3]]);
    const columns = tf.reshape(tf.gather(pixels, tf.tensor1d(seen), 1), [-1, taps * x.shape[3]]);
    return tf.reshape(tf.matMul(columns, tf.reshape(dy, [-1, channels]), true), filterShape);
  });
