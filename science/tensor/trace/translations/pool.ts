import { expand, fromData, reshape, transpose } from "../emit/shape.ts";
import { binary, cast, scale } from "../emit/elementwise.ts";
import { sizeOf, type Value } from "../graph.ts";
import { inputColumns, scattered } from "./conv_columns.ts";
import { poolGeometry } from "./conv_geometry.ts";
import type { KernelCall, Translation, TranslationTable } from "./translation.ts";

/** Translates the mean or maximum over windows; padding does not count. */
function pooled(op: "AveragePool" | "MaxPool"): Translation {
  return (call) => {
    const given = call.input("x");
    const { kernel, strides, pads, output } = poolGeometry(call, given.shape);
    const sizes = kernel.map((_, axis) => axis + 1);
    const x = transpose(call.graph, given, [0, sizes.length + 1, ...sizes]);
    const shape = [x.shape[0]!, x.shape[1]!, ...output.slice(1, -1)];
    const y = call.graph.operation(op, [x], x.type, shape, { kernel_shape: kernel, strides, pads });
    return transpose(call.graph, y, [0, ...sizes.map((axis) => axis + 1), 1]);
  };
}

/** Gives each pixel of a window an equal share of the gradient of its mean, padding included. */
function averageGradient(call: KernelCall): Value {
  const { graph } = call;
  const [dy, shape] = [call.input("dy"), call.input("input").shape];
  const g = poolGeometry(call, shape);
  const [batch, channels, out] = [shape[0]!, shape.at(-1)!, g.output.slice(1, -1)];
  const share = scale(graph, dy, 1 / sizeOf(g.kernel));
  if (g.kernel.every((size, axis) => g.strides[axis] === size && out[axis]! * size === shape[1 + axis])) {
    // The windows tile the image.
    const column = reshape(graph, share, [batch, ...out.flatMap((size) => [size, 1]), channels]);
    const tiles = [batch, ...out.flatMap((size, axis) => [size, g.kernel[axis]!]), channels];
    return reshape(graph, expand(graph, column, tiles), shape);
  }
  const pixels = batch * sizeOf(out);
  const shares = expand(graph, reshape(graph, share, [pixels, 1, channels]), [pixels, sizeOf(g.kernel), channels]);
  return scattered(graph, shares, g);
}

/** Passes the gradient of each window's maximum to the first of its largest pixels. */
function maximumGradient(call: KernelCall): Value {
  const { graph } = call;
  const x = call.input("input");
  const g = poolGeometry(call, x.shape);
  const [windows, taps, channels] = [sizeOf(g.output.slice(0, -1)), sizeOf(g.kernel), x.shape.at(-1)!];
  const seen = reshape(graph, inputColumns(graph, x, g, -Infinity), [windows, taps, channels]);
  const largest = graph.operation("ArgMax", [seen], "int64", [windows, 1, channels], { axis: 1, keepdims: 1 });
  const numbers = fromData(graph, "int32", [taps, 1], Int32Array.from({ length: taps }, (_, tap) => tap));
  const hot = cast(graph, binary(graph, "Equal", cast(graph, largest, "int32"), numbers, "bool"), "float32");
  return scattered(graph, binary(graph, "Mul", hot, reshape(graph, call.input("dy"), [windows, 1, channels])), g);
}

export const POOL: TranslationTable = {
  AvgPool: pooled("AveragePool"),
  AvgPool3D: pooled("AveragePool"),
  AvgPoolGrad: averageGradient,
  AvgPool3DGrad: averageGradient,
  MaxPool: pooled("MaxPool"),
  MaxPool3D: pooled("MaxPool"),
  MaxPoolGrad: maximumGradient,
  MaxPool3DGrad: maximumGradient,
};
