import * as tf from "@tensorflow/tfjs-core";
import { openOnnxDevice } from "../../../../science/tensor/onnx/device.ts";
import { checkConvolutions } from "./convolutions.ts";
import { assertParity, float32, sampleFeeds, withGradients } from "../../../support/tensors.ts";

interface ConvCase {
  readonly image: readonly [height: number, width: number];
  readonly kernel: readonly [height: number, width: number];
  readonly channels: readonly [input: number, output: number];
  readonly strides: [number, number];
  readonly pad: "same" | "valid" | number;
}

const convs: ConvCase[] = [];
for (const pad of ["same", "valid"] as const) {
  for (const strides of [[1, 1], [2, 2]] satisfies [number, number][]) {
    // Odd and even sizes: TF's SAME pads unevenly (more below and right) when the total is odd.
    for (const image of [[7, 5], [8, 6]] as const) {
      convs.push({ image, kernel: [3, 3], channels: [3, 4], strides, pad });
      convs.push({ image, kernel: [1, 1], channels: [4, 3], strides, pad });
    }
  }
}
convs.push(
  { image: [8, 8], kernel: [2, 2], channels: [1, 5], strides: [1, 1], pad: "same" },
  { image: [8, 8], kernel: [4, 4], channels: [2, 2], strides: [2, 2], pad: "same" },
  { image: [9, 7], kernel: [5, 3], channels: [2, 3], strides: [3, 2], pad: "same" },
  { image: [6, 6], kernel: [3, 3], channels: [1, 1], strides: [1, 1], pad: 1 },
  { image: [6, 7], kernel: [3, 3], channels: [2, 3], strides: [2, 2], pad: 1 },
  // Wider than a kernel needs: the gradient cannot be written as a padded convolution.
  { image: [5, 5], kernel: [1, 1], channels: [2, 3], strides: [1, 1], pad: 1 },
  { image: [5, 5], kernel: [3, 3], channels: [2, 3], strides: [1, 1], pad: 3 },
  // Pixels that no window sees get gradient zero.
  { image: [8, 8], kernel: [3, 3], channels: [2, 3], strides: [3, 3], pad: "valid" },
  { image: [16, 16], kernel: [3, 3], channels: [32, 16], strides: [1, 1], pad: "same" },
);

// float32 sums of up to 512 products, in another order than TF.js's cpu backend.
const TOLERANCE = 5e-6;

Deno.test("compile() computes conv2d and both gradients as TF.js does", async (t) => {
  const device = await openOnnxDevice({ threads: 2 });
  for (const { image, kernel, channels: [input, output], strides, pad } of convs) {
    const inputs = { x: float32(2, ...image, input), w: float32(...kernel, input, output), b: float32(output) };
    // TF.js needs a rounding mode for sizes if the padding is a number, and refuses one otherwise.
    const rounding = typeof pad === "number" ? "floor" : undefined;
    const op = withGradients(({ x, w, b }) =>
      tf.add(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, strides, pad, "NHWC", 1, rounding), b!)
    );
    const name = `image ${image}, kernel ${kernel}, channels ${input} -> ${output}, strides ${strides}, pad ${pad}`;
    await t.step(name, () => assertParity(op, inputs, sampleFeeds(inputs), { device, tolerance: TOLERANCE }));
  }
  await t.step("dilated kernel, forward", () => {
    const inputs = { x: float32(2, 7, 8, 3), w: float32(3, 3, 3, 2) };
    const op = ({ x, w }: Record<string, tf.Tensor>) => ({
      y: tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same", "NHWC", 2),
    });
    return assertParity(op, inputs, sampleFeeds(inputs), { device, tolerance: TOLERANCE });
  });
  await device.dispose();
});

Deno.test("compile() computes wide conv2d by Winograd's transforms, whatever the tiles", async (t) => {
  const device = await openOnnxDevice({ threads: 2 });
  const wide = { kernel: [3, 3], strides: [1, 1], pad: "same" } as const;
  // float32 sums of up to 2304 products, with five times the error of a plain sum, against float64.
  await checkConvolutions(t, device, 2e-5, [
    // Pixels that belong to no whole tile, and numbers of channels that are not multiples of a kernel's width.
    { ...wide, image: [15, 18], channels: [32, 33], strides: [1, 1] },
    { ...wide, image: [14, 20], channels: [40, 32], strides: [1, 1], pad: "valid" },
    // Rows and columns of the tiles are transformed one after the other, if there are enough of them.
    { ...wide, image: [30, 31], channels: [256, 32], strides: [1, 1] },
    { ...wide, image: [32, 32], channels: [32, 256], strides: [1, 1] },
    // Small images, but enough of them for transforms of whole axes.
    { ...wide, batch: 16, image: [7, 9], channels: [32, 33], strides: [1, 1] },
    { ...wide, batch: 11, image: [5, 16], channels: [33, 32], strides: [1, 1], pad: "valid" },
  ]);
  await device.dispose();
});
