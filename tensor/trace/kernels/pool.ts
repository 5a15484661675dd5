import * as tf from "@tensorflow/tfjs-core";
import { scale } from "../emit/elementwise.ts";
import { expand, reshape, transpose } from "../emit/shape.ts";
import type { Shape } from "../graph.ts";
import type { KernelCall, Translation, TranslationTable } from "./translation.ts";

function poolGeometry(call: KernelCall, input: Shape) {
  const info = tf.backend_util.computePool2DInfo(
    [input[0]!, input[1]!, input[2]!, input[3]!],
    call.attribute("filterSize"),
    call.attribute("strides"),
    1,
    call.attribute("pad"),
    call.attribute("dimRoundingMode"),
  );
  const { top, left, bottom, right } = info.padInfo;
  return {
    size: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    pads: [top, left, bottom, right],
    outHeight: info.outHeight,
    outWidth: info.outWidth,
  };
}

/** Mean or maximum over windows; padding does not count. */
function pooled(op: "AveragePool" | "MaxPool"): Translation {
  return (call) => {
    const x = transpose(call.graph, call.input("x"), [0, 3, 1, 2]);
    const { size, strides, pads, outHeight, outWidth } = poolGeometry(call, call.input("x").shape);
    const shape = [x.shape[0]!, x.shape[1]!, outHeight, outWidth];
    const attributes = { kernel_shape: size, strides, pads };
    return transpose(call.graph, call.graph.operation(op, [x], x.type, shape, attributes), [0, 2, 3, 1]);
  };
}

export const POOL: TranslationTable = {
  AvgPool: pooled("AveragePool"),
  MaxPool: pooled("MaxPool"),
  /** Each pixel of a window gets an equal share of its mean; windows must tile the image. */
  AvgPoolGrad: (call) => {
    const { graph } = call;
    const [dy, shape] = [call.input("dy"), call.input("input").shape];
    const { size: [height, width], strides, outHeight, outWidth } = poolGeometry(call, shape);
    const tiles = strides[0] === height && strides[1] === width &&
      outHeight * height! === shape[1] && outWidth * width! === shape[2];
    if (!tiles) call.fail("the gradient of avgPool needs windows that tile the image", "use stride = filterSize");
    const [batch, , , channels] = shape;
    const share = scale(graph, dy, 1 / (height! * width!));
    const column = reshape(graph, share, [batch!, outHeight, 1, outWidth, 1, channels!]);
    return reshape(graph, expand(graph, column, [batch!, outHeight, height!, outWidth, width!, channels!]), shape);
  },
};
