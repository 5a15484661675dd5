import * as tf from "@tensorflow/tfjs-core";
import { assertEquals } from "@std/assert";
import type { PureFunction } from "../../../../science/tensor/device.ts";
import { hasFastConv } from "../../../../science/tensor/onnx/describe.ts";
import { openOnnxDevice } from "../../../../science/tensor/onnx/device.ts";
import { chooseConvolutions } from "../../../../science/tensor/onnx/passes/split_fixed.ts";
import { methodFor, type METHODS } from "../../../../science/tensor/trace/translations/conv.ts";
import type { ConvolutionGeometry } from "../../../../science/tensor/trace/translations/conv_geometry.ts";
import { liveValues, type OperationValue } from "../../../../science/tensor/trace/graph.ts";
import { trace } from "../../../../science/tensor/trace/trace.ts";
import { float32, sampleFeeds } from "../../../support/tensors.ts";

interface Shapes {
  readonly batch: number;
  readonly size: number;
  readonly kernel: number;
  readonly channels: readonly [input: number, output: number];
  readonly stride?: number;
}

/** Returns a convolution with padding "same". */
function geometry({ batch, size, kernel, channels: [input, output], stride = 1 }: Shapes): ConvolutionGeometry {
  const inputs = { x: float32(batch, size, size, input), w: float32(kernel, kernel, input, output) };
  const fn: PureFunction = ({ x, w }) => ({ y: tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, "same") });
  return (trace(fn, inputs, "test").outputs.get("y") as OperationValue).attributes as ConvolutionGeometry;
}

Deno.test("methodFor() takes the fastest of the measured ways, for shapes of any size", async () => {
  await tf.setBackend("cpu");
  const cases: [Shapes, fast: keyof typeof METHODS, otherwise: keyof typeof METHODS][] = [
    [{ batch: 7, size: 20, kernel: 3, channels: [24, 24] }, "channelsFirst", "columns"],
    [{ batch: 7, size: 20, kernel: 3, channels: [24, 200] }, "channelsFirst", "columns"],
    [{ batch: 7, size: 20, kernel: 3, channels: [32, 32] }, "channelsFirst", "winogradWhole"],
    [{ batch: 7, size: 20, kernel: 3, channels: [36, 200] }, "channelsFirst", "winogradWhole"],
    [{ batch: 7, size: 20, kernel: 3, channels: [72, 200] }, "winogradWhole", "winogradWhole"],
    // Longer axes, and few tiles side by side.
    [{ batch: 7, size: 30, kernel: 3, channels: [72, 200] }, "winograd", "winograd"],
    [{ batch: 6, size: 20, kernel: 3, channels: [72, 200] }, "winograd", "winograd"],
    // Too few tiles.
    [{ batch: 1, size: 12, kernel: 3, channels: [56, 72] }, "channelsFirst", "columns"],
    [{ batch: 7, size: 20, kernel: 3, channels: [56, 72], stride: 2 }, "channelsFirst", "columns"],
    [{ batch: 7, size: 20, kernel: 5, channels: [56, 72] }, "channelsFirst", "columns"],
    [{ batch: 7, size: 20, kernel: 1, channels: [36, 200] }, "columns", "columns"],
    // A filter of 4 MB, and columns of 302 MB.
    [{ batch: 7, size: 20, kernel: 4, channels: [256, 256] }, "columns", "columns"],
    [{ batch: 8, size: 256, kernel: 3, channels: [16, 16] }, "channelsFirst", "channelsFirst"],
  ];
  for (const [shapes, fast, otherwise] of cases) {
    const g = geometry(shapes);
    assertEquals([methodFor(g, true), methodFor(g, false)], [fast, otherwise], JSON.stringify(shapes));
  }
});

Deno.test("only what follows from fixed inputs counts as a fixed filter, and only with fast convolutions", async () => {
  await tf.setBackend("cpu");
  const fn: PureFunction = ({ x, w, scale }) => ({
    y: tf.conv2d(x as tf.Tensor4D, tf.mul(w!, scale!) as tf.Tensor4D, 1, "same"),
  });
  const inputs = { x: float32(2, 16, 16, 32), w: float32(3, 3, 32, 32), scale: float32(1) };
  const { graph, inputs: values, outputs } = trace(fn, inputs, "test");
  const hasConv = (names: string, fast: boolean) => {
    const fixed = new Set(values.filter(({ name }) => names.split(" ").includes(name)));
    const chosen = chooseConvolutions(graph, outputs, fixed, fast);
    return liveValues(chosen.values()).some((value) => value.kind === "operation" && value.op === "Conv");
  };
  assertEquals([hasConv("w scale", true), hasConv("w", true), hasConv("w scale", false)], [true, false, false]);
});

Deno.test("hasFastConv() is true of x86 with AVX", () => {
  const classes = ["x86-avx512", "x86-avx2", "x86-avx", "x86-sse", "x86", "arm64", "arm64-sme"];
  const fast = classes.filter((each) => hasFastConv(`onnx-cpu/1.30.0/${each}/2-threads`));
  assertEquals(fast, ["x86-avx512", "x86-avx2", "x86-avx"]);
});

Deno.test("a convolution of a fixed filter gives an image's bits whatever the images beside it, and the threads", async () => {
  const [size, channels] = [20, 24];
  const pixels = size * size * channels;
  const fn: PureFunction = ({ x, w, b }) => ({
    y: tf.add(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same"), b!),
  });
  const signature = (batch: number) => ({
    x: float32(batch, size, size, channels),
    w: float32(3, 3, channels, channels),
    b: float32(channels),
  });
  const { x, ...weights } = sampleFeeds(signature(5));
  const run = async (batch: number, first: number, threads: number) => {
    const device = await openOnnxDevice({ threads });
    const compiled = await device.compile(fn, signature(batch));
    const bound = await compiled.bind({ ...weights });
    const { y } = await bound.run({ x: x!.slice(first * pixels, (first + batch) * pixels) });
    await device.dispose();
    return y!;
  };
  const all = await run(5, 0, 2);
  for (const [batch, first, threads] of [[1, 0, 1], [1, 3, 2], [2, 3, 2], [5, 0, 1], [5, 0, 4]] as const) {
    assertEquals(await run(batch, first, threads), all.slice(first * pixels, (first + batch) * pixels));
  }
});
