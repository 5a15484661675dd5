import { type Graph, type OperationValue, sizeOf, type Value } from "../graph.ts";
import { type ConvolutionGeometry, convolutionGeometry, isPointwise } from "./conv_geometry.ts";
import type { Translation, TranslationTable } from "./translation.ts";
import * as channelsFirst from "./conv_channels_first.ts";
import * as columns from "./conv_columns.ts";
import * as winograd from "./conv_winograd.ts";
import * as winogradWhole from "./conv_winograd_whole.ts";
import { TILE_OUTPUTS } from "./winograd_matrices.ts";
import { tileCount } from "./winograd_tiles.ts";

/** Names of the two inputs of convolutions and their gradients. */
const OPERANDS = { forward: ["x", "filter"], inputGradient: ["dy", "filter"], filterGradient: ["x", "dy"] } as const;

type ConvolutionMap = keyof typeof OPERANDS;

/**
 * Records a convolution of images or of volumes, or a depthwise one, or a gradient of one, as one operation. The
 * method to compute it is chosen later, when it is known which inputs change (`computeConvolution`).
 */
function convolution(map: ConvolutionMap, depthwise = false): Translation {
  return (call) => {
    const [a, b] = OPERANDS[map].map((name) => call.input(name)) as [Value, Value];
    const { inputShape = a.shape, filterShape = b.shape } = call.attributes;
    const g = convolutionGeometry(call, inputShape, filterShape, depthwise);
    const shape = { forward: g.output, inputGradient: g.input, filterGradient: g.filter }[map];
    return call.graph.operation(map, [a, b], a.type, shape, g);
  };
}

/** True for a convolution, or a gradient of one, whose method is not chosen; its attributes depend on the batch. */
export function isConvolution({ op }: Pick<OperationValue, "op">): boolean {
  return op in OPERANDS;
}

/**
 * Returns the value that computes an operation, if it is a convolution or a gradient of one, from the given operands;
 * undefined for other operations.
 */
export function computeConvolution(
  graph: Graph,
  { op, attributes }: OperationValue,
  [a, b]: readonly Value[],
  methodOf: (g: ConvolutionGeometry) => keyof typeof METHODS,
): Value | undefined {
  if (!isConvolution({ op })) return undefined;
  const g = attributes as ConvolutionGeometry;
  return METHODS[methodOf(g)][op as ConvolutionMap](graph, a!, b!, g);
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

/** Methods to compute a convolution and its gradients. */
export const METHODS = { channelsFirst, columns, winograd, winogradWhole } as const;

/** Narrower layers spend more time in the transforms than they save. */
const MIN_WINOGRAD_CHANNELS = 32;
/**
 * If ONNX Runtime's convolution is fast, the harmonic mean of the widths has to be larger: the cost of the transforms
 * grows with the sum of the widths, their savings with the product.
 */
const MAX_FAST_CONV_CHANNELS = 64;
/** With fewer tiles the transformed filter, four times as large as the filter, is most of the work. */
const MIN_WINOGRAD_TILES = 16;
/**
 * For longer axes the transform of a whole axis has so many zeros that gathering tiles is faster: a training step with
 * images of 28 takes 0.95 of the time with whole axes, one with images of 32 takes 1.05.
 */
const MAX_WHOLE_SIZE = 28;
/** With fewer tiles side by side in a row of all images, each product reads its filter for too little work. */
const MIN_WHOLE_ROWS = 32;
/** Columns are kernel-size times as large as the images. Above this size in bytes they are not worth their memory. */
const MAX_COLUMN_BYTES = 2 ** 28;
/** A constant is in memory several times while a session is made. Larger filters are not worth that. */
const MAX_CONSTANT_BYTES = 2 ** 20;

/**
 * Returns the fastest method to compute a convolution, which is also used for its gradients. The best method for a
 * filter that never changes comes from measured times of single layers (docs/performance.md), the rest from measured
 * training steps; nothing is measured at run time, or results would depend on it.
 *
 * @param fast true if ONNX Runtime's own convolution is a fast one: on x86 with AVX, with a constant filter, which it
 * needs
 */
export function methodFor(g: ConvolutionGeometry, fast: boolean): keyof typeof METHODS {
  if (g.groups > 1) return "channelsFirst";
  if (isPointwise(g) || g.kernel.length === 3) return "columns";
  const plain = g.kernel.every((size) => size === 3) && [...g.strides, ...g.dilations].every((step) => step === 1);
  const [input, output] = g.filter.slice(2) as [number, number];
  const wide = Math.min(input, output) >= MIN_WINOGRAD_CHANNELS;
  const fastEnough = fast && 2 * input * output <= MAX_FAST_CONV_CHANNELS * (input + output);
  if (plain && wide && !fastEnough && tileCount(g) >= MIN_WINOGRAD_TILES) {
    const across = g.input[0]! * Math.ceil(g.output[2]! / TILE_OUTPUTS);
    const small = Math.max(...g.output.slice(1, 3)) <= MAX_WHOLE_SIZE && across >= MIN_WHOLE_ROWS;
    return small ? "winogradWhole" : "winograd";
  }
  const bytes = (count: number) => Float32Array.BYTES_PER_ELEMENT * count;
  if (fast && bytes(sizeOf(g.filter)) <= MAX_CONSTANT_BYTES) return "channelsFirst";
  const columns = bytes(sizeOf(g.kernel) * Math.max(sizeOf(g.input), sizeOf(g.output)));
  return columns <= MAX_COLUMN_BYTES ? "columns" : "channelsFirst";
}
