import { reduce } from "../emit/contract.ts";
import { binary } from "../emit/elementwise.ts";
import { reshape } from "../emit/shape.ts";
import { sizeOf, type Value } from "../graph.ts";
import * as channelsFirst from "./conv_channels_first.ts";
import * as columns from "./conv_columns.ts";
import { type ConvolutionGeometry, convolutionGeometry } from "./conv_geometry.ts";
import * as winograd from "./conv_winograd.ts";
import type { KernelCall, TranslationTable } from "./translation.ts";
import { tileCount } from "./winograd_tiles.ts";

/** Narrower layers spend more time in the transforms than they save. */
const MIN_WINOGRAD_CHANNELS = 32;
/** With fewer tiles the transformed filter, four times as large as the filter, is most of the work. */
const MIN_WINOGRAD_TILES = 16;
/** Columns are kernel-size times as large as the images. Past this many bytes they are not worth their memory. */
const MAX_COLUMN_BYTES = 2 ** 28;

/** The fastest way to compute a convolution and its gradients; all three of one layer go the same way. */
function methodFor(g: ConvolutionGeometry) {
  if (g.pointwise || g.kernel.length === 3) return columns;
  const plain = g.kernel.every((size) => size === 3) && [...g.strides, ...g.dilations].every((step) => step === 1);
  const wide = Math.min(...g.filter.slice(2)) >= MIN_WINOGRAD_CHANNELS;
  if (plain && wide && tileCount(g) >= MIN_WINOGRAD_TILES) return winograd;
  const bytes = Float32Array.BYTES_PER_ELEMENT * sizeOf(g.kernel) * Math.max(sizeOf(g.input), sizeOf(g.output));
  return bytes <= MAX_COLUMN_BYTES ? columns : channelsFirst;
}

/** A convolution and its gradients, of images or of volumes. */
function forward(call: KernelCall): Value {
  const [x, filter] = [call.input("x"), call.input("filter")];
  const g = convolutionGeometry(call, x.shape, filter.shape);
  return methodFor(g).forward(call.graph, x, filter, g);
}

function inputGradient(call: KernelCall): Value {
  const [dy, filter] = [call.input("dy"), call.input("filter")];
  const g = convolutionGeometry(call, call.attribute("inputShape"), filter.shape);
  return methodFor(g).inputGradient(call.graph, dy, filter, g);
}

function filterGradient(call: KernelCall): Value {
  const [x, dy] = [call.input("x"), call.input("dy")];
  const g = convolutionGeometry(call, x.shape, call.attribute("filterShape"));
  return methodFor(g).filterGradient(call.graph, x, dy, g);
}

export const CONV: TranslationTable = {
  Conv2D: forward,
  Conv2DBackpropInput: inputGradient,
  Conv2DBackpropFilter: filterGradient,
  Conv3D: forward,
  Conv3DBackpropInputV2: inputGradient,
  Conv3DBackpropFilterV2: filterGradient,
  DepthwiseConv2dNative: (call) => {
    const [x, filter] = [call.input("x"), call.input("filter")];
    const g = convolutionGeometry(call, x.shape, filter.shape, true);
    return channelsFirst.forward(call.graph, x, filter, g, x.shape[3]!);
  },
  DepthwiseConv2dNativeBackpropInput: (call) => {
    const [dy, filter] = [call.input("dy"), call.input("filter")];
    const g = convolutionGeometry(call, call.attribute("inputShape"), filter.shape, true);
    return channelsFirst.inputGradient(call.graph, dy, filter, g, filter.shape[2]!);
  },
  DepthwiseConv2dNativeBackpropFilter: (call) => {
    const { graph } = call;
    const g = convolutionGeometry(call, call.input("x").shape, call.attribute("filterShape"), true);
    const [rows, channels, multiplier] = [sizeOf(g.output.slice(0, 3)), g.filter[2]!, g.filter[3]!];
    const seen = reshape(graph, columns.seenPixels(graph, call.input("x"), g), [rows, sizeOf(g.kernel), channels, 1]);
    const products = binary(graph, "Mul", seen, reshape(graph, call.input("dy"), [rows, 1, channels, multiplier]));
    return reshape(graph, reduce(graph, "ReduceSum", products, [0], false), g.filter);
  },
};
