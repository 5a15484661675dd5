import { sizeOf } from "../graph.ts";
import * as channelsFirst from "./conv_channels_first.ts";
import * as columns from "./conv_columns.ts";
import { type ConvolutionGeometry, convolutionGeometry } from "./conv_geometry.ts";
import * as winograd from "./conv_winograd.ts";
import * as winogradWhole from "./conv_winograd_whole.ts";
import type { Translation, TranslationTable } from "./translation.ts";
import { TILE_OUTPUTS } from "./winograd_matrices.ts";
import { tileCount } from "./winograd_tiles.ts";

/** Narrower layers spend more time in the transforms than they save. */
const MIN_WINOGRAD_CHANNELS = 32;
/** With fewer tiles the transformed filter, four times as large as the filter, is most of the work. */
const MIN_WINOGRAD_TILES = 16;
/** Longer axes have more zeros in the transform of a whole axis than tiles are gathered in the time of. */
const MAX_WHOLE_SIZE = 16;
/** With fewer tiles side by side in a row of all images each product has to read its filter for too little work. */
const MIN_WHOLE_ROWS = 32;
/** Columns are kernel-size times as large as the images. Past this many bytes they are not worth their memory. */
const MAX_COLUMN_BYTES = 2 ** 28;

/** The fastest way to compute a convolution and its gradients; all three of one layer go the same way. */
function methodFor(g: ConvolutionGeometry) {
  if (g.groups > 1) return channelsFirst;
  if (g.pointwise || g.kernel.length === 3) return columns;
  const plain = g.kernel.every((size) => size === 3) && [...g.strides, ...g.dilations].every((step) => step === 1);
  const wide = Math.min(...g.filter.slice(2)) >= MIN_WINOGRAD_CHANNELS;
  if (plain && wide && tileCount(g) >= MIN_WINOGRAD_TILES) {
    const across = g.input[0]! * Math.ceil(g.output[2]! / TILE_OUTPUTS);
    const small = Math.max(...g.output.slice(1, 3)) <= MAX_WHOLE_SIZE && across >= MIN_WHOLE_ROWS;
    return small ? winogradWhole : winograd;
  }
  const bytes = Float32Array.BYTES_PER_ELEMENT * sizeOf(g.kernel) * Math.max(sizeOf(g.input), sizeOf(g.output));
  return bytes <= MAX_COLUMN_BYTES ? columns : channelsFirst;
}

/** Convolutions of images or of volumes, or depthwise ones, and their gradients, of two inputs each. */
function convolution(
  map: "forward" | "inputGradient" | "filterGradient",
  depthwise = false,
): Translation {
  const [first, second] =
    { forward: ["x", "filter"], inputGradient: ["dy", "filter"], filterGradient: ["x", "dy"] }[map];
  return (call) => {
    const [a, b] = [call.input(first!), call.input(second!)];
    const { inputShape = a.shape, filterShape = b.shape } = call.attributes;
    const g = convolutionGeometry(call, inputShape, filterShape, depthwise);
    return methodFor(g)[map](call.graph, a, b, g);
  };
}

export const CONV: TranslationTable = {
  Conv2D: convolution("forward"),
  Conv2DBackpropInput: convolution("inputGradient"),
  Conv2DBackpropFilter: convolution("filterGradient"),
  Conv3D: convolution("forward"),
  Conv3DBackpropInputV2: convolution("inputGradient"),
  Conv3DBackpropFilterV2: convolution("filterGradient"),
  DepthwiseConv2dNative: convolution("forward", true),
  DepthwiseConv2dNativeBackpropInput: convolution("inputGradient", true),
  DepthwiseConv2dNativeBackpropFilter: convolution("filterGradient", true),
};
