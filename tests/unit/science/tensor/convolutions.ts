import * as tf from "@tensorflow/tfjs-core";
import type { Device, HostTensors, PureFunction } from "../../../../science/tensor/device.ts";
import { assertCloseArrays, float32, sampleFeeds } from "../../../support/tensors.ts";

type Pair = readonly [height: number, width: number];

export interface ConvCase {
  readonly batch?: number;
  readonly image: Pair;
  readonly kernel: Pair;
  readonly channels: readonly [input: number, output: number];
  readonly strides: [number, number];
  readonly pad: "same" | "valid" | number;
}

const cases: ConvCase[] = [];
for (const pad of ["same", "valid"] as const) {
  for (const stride of [1, 2]) {
    // SAME pads unevenly, more below and right, if the total is odd.
    for (const image of [[7, 5], [8, 6], [3, 3]] as const) {
      for (const kernel of [[3, 3], [1, 1]] as const) {
        cases.push({ image, kernel, channels: [3, 4], strides: [stride, stride], pad });
      }
    }
  }
}
cases.push(
  { image: [8, 8], kernel: [2, 2], channels: [1, 5], strides: [1, 1], pad: "same" },
  { image: [8, 8], kernel: [4, 4], channels: [2, 2], strides: [2, 2], pad: "same" },
  { image: [9, 7], kernel: [5, 3], channels: [2, 3], strides: [3, 2], pad: "same" },
  { image: [6, 6], kernel: [3, 3], channels: [1, 1], strides: [1, 1], pad: 1 },
  { image: [6, 7], kernel: [3, 3], channels: [2, 3], strides: [2, 2], pad: 1 },
  // More padding than any pixel needs: the gradient leaves out outputs that saw only padding.
  { image: [5, 5], kernel: [1, 1], channels: [2, 3], strides: [1, 1], pad: 1 },
  { image: [5, 5], kernel: [3, 3], channels: [2, 3], strides: [1, 1], pad: 3 },
  { image: [5, 5], kernel: [1, 1], channels: [2, 3], strides: [2, 2], pad: 3 },
  // Pixels that no window sees have gradient zero.
  { image: [8, 8], kernel: [3, 3], channels: [2, 3], strides: [3, 3], pad: "valid" },
  { image: [9, 9], kernel: [2, 2], channels: [2, 3], strides: [3, 4], pad: "valid" },
  { image: [1, 1], kernel: [3, 3], channels: [4, 4], strides: [1, 1], pad: "same" },
  { image: [2, 2], kernel: [3, 3], channels: [4, 4], strides: [2, 2], pad: "same" },
  // Enough outputs to be summed in several parts, the last one smaller.
  { batch: 5, image: [16, 16], kernel: [3, 3], channels: [1, 256], strides: [1, 1], pad: "same" },
  { batch: 15, image: [16, 16], kernel: [3, 3], channels: [2, 256], strides: [2, 2], pad: "same" },
  { batch: 5, image: [16, 16], kernel: [1, 1], channels: [2, 300], strides: [1, 1], pad: "same" },
);

/** Compares the device with the definition of a convolution, evaluated in float64; by default for many small shapes. */
export async function checkConvolutions(
  t: Deno.TestContext,
  device: Device,
  tolerance: number,
  asked: readonly ConvCase[] = cases,
): Promise<void> {
  for (const each of asked) {
    const { batch = 2, image, kernel, channels: [input, output], strides, pad } = each;
    const name =
      `${batch} x ${image}, kernel ${kernel}, channels ${input} -> ${output}, strides ${strides}, pad ${pad}`;
    await t.step(name, async () => {
      const padding = paddingOf(pad, image, kernel, strides);
      const [height, width] = [0, 1].map((axis) =>
        Math.floor((image[axis]! + padding[axis]!.total - kernel[axis]!) / strides[axis]!) + 1
      ) as [number, number];
      const inputs = {
        x: float32(batch, ...image, input),
        w: float32(...kernel, input, output),
        dy: float32(batch, height, width, output),
      };
      const feeds = sampleFeeds(inputs);
      const compiled = await device.compile(withBothGradients(each), inputs);
      const wanted = convolve(feeds, inputs, strides, padding.map(({ before }) => before) as [number, number]);
      // A filter that never changes may be used by another method.
      const { w, ...others } = feeds;
      const bound = await compiled.bind({ w: w! });
      for (const got of [await compiled.run(feeds), await bound.run(others)]) {
        for (const key of ["y", "dx", "dw"]) {
          assertCloseArrays(got[key]!, Float32Array.from(wanted[key]!), tolerance, key);
        }
      }
      await compiled.dispose();
    });
  }
}

function withBothGradients({ strides, pad }: ConvCase): PureFunction {
  // TF.js needs a rounding mode for sizes if the padding is a number, and refuses one otherwise.
  const rounding = typeof pad === "number" ? "floor" : undefined;
  const conv = (x: tf.Tensor, w: tf.Tensor): tf.Tensor =>
    tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, strides, pad, "NHWC", 1, rounding);
  return ({ x, w, dy }) => {
    const { value, grads } = tf.valueAndGrads(conv)([x!, w!], dy!);
    return { y: value, dx: grads[0]!, dw: grads[1]! };
  };
}

interface Padding {
  readonly before: number;
  readonly total: number;
}

/** Returns paddings as TensorFlow documents them. */
function paddingOf(pad: ConvCase["pad"], image: Pair, kernel: Pair, strides: Pair): Padding[] {
  return image.map((size, axis) => {
    if (typeof pad === "number") return { before: pad, total: 2 * pad };
    if (pad === "valid") return { before: 0, total: 0 };
    const outputs = Math.ceil(size / strides[axis]!);
    const total = Math.max((outputs - 1) * strides[axis]! + kernel[axis]! - size, 0);
    return { before: Math.floor(total / 2), total };
  });
}

/** Computes y, dx and dw by the definition, in float64. */
function convolve(
  { x, w, dy }: HostTensors,
  shapes: Record<"x" | "w" | "dy", { shape: number[] }>,
  strides: Pair,
  before: Pair,
): Record<string, Float64Array> {
  const [batch, height, width, input] = shapes.x.shape as [number, number, number, number];
  const [kernelHeight, kernelWidth, , output] = shapes.w.shape as [number, number, number, number];
  const [, outHeight, outWidth] = shapes.dy.shape as [number, number, number, number];
  const [y, dx, dw] = [dy!, x!, w!].map(({ length }) => new Float64Array(length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (let n = 0; n < batch; n++) {
    for (let oy = 0; oy < outHeight; oy++) {
      for (let ox = 0; ox < outWidth; ox++) {
        for (let i = 0; i < kernelHeight; i++) {
          for (let j = 0; j < kernelWidth; j++) {
            const [iy, ix] = [oy * strides[0] + i - before[0], ox * strides[1] + j - before[1]];
            if (iy < 0 || ix < 0 || iy >= height || ix >= width) continue;
            for (let c = 0; c < input; c++) {
              for (let o = 0; o < output; o++) {
                const at = {
                  x: ((n * height + iy) * width + ix) * input + c,
                  w: ((i * kernelWidth + j) * input + c) * output + o,
                  y: ((n * outHeight + oy) * outWidth + ox) * output + o,
                };
                y[at.y]! += x![at.x]! * w![at.w]!;
                dx[at.x]! += dy![at.y]! * w![at.w]!;
                dw[at.w]! += dy![at.y]! * x![at.x]!;
              }
            }
          }
        }
      }
    }
  }
  return { y, dx, dw };
}
