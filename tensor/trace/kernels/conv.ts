import { sizeOf } from "../graph.ts";
import * as channelsFirst from "./conv_channels_first.ts";
import * as columns from "./conv_columns.ts";
import { type ConvolutionGeometry, convolutionGeometry } from "./conv_geometry.ts";
import * as winograd from "./conv_winograd.ts";
import type { Translation, TranslationTable } from "./translation.ts";
import { tileCount } from "./winograd_tiles.ts";

/** Narrower layers spend more time in the transforms than they save. */
const MIN_WINOGRAD_CHANNELS = 32;
/** With fewer tiles the transformed filter, four times as large as the filter, is most of the work. */
const MIN_WINOGRAD_TILES = 16;
/** Columns are kernel-size times as large as the images. Past this many bytes they are not worth their memory. */
const MAX_COLUMN_BYTES = 2 ** 28;

/** The fastest way to compute a convolution and its gradients; all three of one layer go the same way. */
function methodFor(g: ConvolutionGeometry) {
  if (g.groups > 1) return channelsFirst;
  if (g.pointwise || g.kernel.length === 3) return columns;
  const plain = g.kernel.every((size) => size === 3) && [...g.strides, ...g.dilations].every((step) => step === 1);
  const wide = Math.min(...g.filter.slice(2)) >= MIN_WINOGRAD_CHANNELS;
  if (plain && wide && tileCount(g) >= MIN_WINOGRAD_TILES) return winograd;
  const bytes = Float32Array.BYTES_PER_ELEMENT * sizeOf(g.kernel) * Math.max(sizeOf(g.input), sizeOf(g.output));
  return bytes <= MAX_COLUMN_BYTES ? columns : channelsFirst;
}

/** Convolutions of images or of volumes, or depthwise ones, and their gradients. */
const forward = (depthwise = false): Translation => (call) => {
  const [x, filter] = [call.input("x"), call.input("filter")];
  const g = convolutionGeometry(call, x.shape, filter.shape, depthwise);
  return methodFor(g).forward(call.graph, x, filter, g);
};

const inputGradient = (depthwise = false): Translation => (call) => {
  const [dy, filter] = [call.input("dy"), call.input("filter")];
  const g = convolutionGeometry(call, call.attributes.inputShape, filter.shape, depthwise);
  return methodFor(g).inputGradient(call.graph, dy, filter, g);
};

const filterGradient = (depthwise = false): Translation => (call) => {
  const [x, dy] = [call.input("x"), call.input("dy")];
  const g = convolutionGeometry(call, x.shape, call.attributes.filterShape, depthwise);
  return methodFor(g).filterGradient(call.graph, x, dy, g);
};

export const CONV: TranslationTable = {
  Conv2D: forward(),
  Conv2DBackpropInput: inputGradient(),
  Conv2DBackpropFilter: filterGradient(),
  Conv3D: forward(),
  Conv3DBackpropInputV2: inputGradient(),
  Conv3DBackpropFilterV2: filterGradient(),
  DepthwiseConv2dNative: forward(true),
  DepthwiseConv2dNativeBackpropInput: inputGradient(true),
  DepthwiseConv2dNativeBackpropFilter: filterGradient(true),
};
