import { matMul, reduce } from "../emit/contract.ts";
import { binary } from "../emit/elementwise.ts";
import { concat, pad, reshape, reverse, rowsOfPixels, slice, transpose } from "../emit/shape.ts";
import { type Attributes, type Graph, type Shape, sizeOf, type Value } from "../graph.ts";
import { inputColumns } from "./conv_columns.ts";
import type { ConvolutionGeometry } from "./conv_geometry.ts";

/**
 * Convolutions by ONNX Runtime's own operator, which needs channels first. It holds no columns in memory, so it is the
 * method for images that are too large for the other methods.
 */

const NHWC_TO_NCHW = [0, 3, 1, 2];
const NCHW_TO_NHWC = [0, 2, 3, 1];
const HWIO_TO_OIHW = [3, 2, 0, 1];

/**
 * Transposes [kH, kW, C, O] -> [O, C, kH, kW], or with groups of one channel each [kH, kW, C, M] -> [C M, 1, kH, kW].
 */
function weightsOf(graph: Graph, filter: Value, { kernel, groups }: ConvolutionGeometry): Value {
  if (groups === 1) return transpose(graph, filter, HWIO_TO_OIHW);
  return reshape(graph, transpose(graph, filter, [2, 3, 0, 1]), [groups * filter.shape[3]!, 1, ...kernel]);
}

/** [N, H, W, C], [kH, kW, C, O] -> [N, outH, outW, O]. */
export function forward(graph: Graph, x: Value, filter: Value, g: ConvolutionGeometry): Value {
  const weights = weightsOf(graph, filter, g);
  const y = conv(graph, transpose(graph, x, NHWC_TO_NCHW), weights, g, g.output.slice(1, 3));
  return transpose(graph, y, NCHW_TO_NHWC);
}

/**
 * dL/dx at stride 1: a convolution of dy with the filter rotated by 180 degrees and its channel axes swapped. ONNX
 * Runtime runs it about twice as fast as ConvTranspose, which is used only for strides and for unusually wide padding.
 */
export function inputGradient(graph: Graph, dy: Value, filter: Value, g: ConvolutionGeometry): Value {
  const dyChannelsFirst = transpose(graph, dy, NHWC_TO_NCHW);
  const size = g.input.slice(1, 3);
  // For each axis, the pads of the full correlation that restore the input size.
  const before = [0, 1].map((i) => g.kernel[i]! - 1 - g.pads[i]!);
  const after = [0, 1].map((i) => size[i]! - g.output[1 + i]! - before[i]! + g.kernel[i]! - 1);
  const pads = [...before, ...after];
  if (g.strides.some((stride) => stride > 1) || pads.some((count) => count < 0)) {
    const weights = weightsOf(graph, filter, g);
    return transpose(graph, convTranspose(graph, dyChannelsFirst, weights, g, size), NCHW_TO_NHWC);
  }
  const weights = transpose(graph, reverse(graph, filter, [0, 1]), [2, 3, 0, 1]);
  return transpose(graph, conv(graph, dyChannelsFirst, weights, { ...g, pads }, size), NCHW_TO_NHWC);
}

/**
 * dL/dfilter: one matrix product for each tap (ky, kx), [C, pixels] x [pixels, O], of the padded input shifted by the
 * tap. About three times as fast in ONNX Runtime as one convolution of transposed operands.
 */
export function filterGradient(graph: Graph, x: Value, dy: Value, g: ConvolutionGeometry): Value {
  if (g.groups > 1) {
    const seen = reshape(graph, inputColumns(graph, x, g), [
      sizeOf(g.output.slice(0, 3)),
      sizeOf(g.kernel),
      g.groups,
      1,
    ]);
    const products = binary(graph, "Mul", seen, reshape(graph, dy, [seen.shape[0]!, 1, ...g.filter.slice(2)]));
    return reshape(graph, reduce(graph, "ReduceSum", products, [0], false), g.filter);
  }
  const [top, left, bottom, right] = g.pads;
  const padded = pad(graph, x, [0, top!, left!, 0], [0, bottom!, right!, 0]);
  const dyPixels = rowsOfPixels(graph, dy);
  const taps: Value[] = [];
  for (let ky = 0; ky < g.kernel[0]!; ky++) {
    for (let kx = 0; kx < g.kernel[1]!; kx++) {
      const seen = slice(graph, padded, [
        { axis: 1, start: ky, count: g.output[1]!, step: g.strides[0]! },
        { axis: 2, start: kx, count: g.output[2]!, step: g.strides[1]! },
      ]);
      taps.push(matMul(graph, rowsOfPixels(graph, seen), dyPixels, { transposeA: true }));
    }
  }
  return reshape(graph, concat(graph, taps, 0), g.filter);
}

/** Convolution, no pad below 0: [N, C, H, W] with weights [O, C / groups, kH, kW] -> [N, O, outHeight, outWidth]. */
function conv(graph: Graph, x: Value, weights: Value, g: ConvolutionGeometry, out: Shape): Value {
  const shape = [x.shape[0]!, weights.shape[0]!, ...out];
  return graph.operation("Conv", [x, weights], x.type, shape, windowAttributes(g));
}

/** The transpose of {@linkcode conv}: [N, O, h, w] with weights [O, C / groups, kH, kW] -> [N, C, ...out]. */
function convTranspose(graph: Graph, x: Value, weights: Value, g: ConvolutionGeometry, out: Shape): Value {
  const { kernel, strides, pads, dilations, groups } = g;
  const output_padding = [0, 1].map((i) =>
    out[i]! - ((x.shape[2 + i]! - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1 - pads[i]! - pads[2 + i]!)
  );
  const shape = [x.shape[0]!, weights.shape[1]! * groups, ...out];
  return graph.operation("ConvTranspose", [x, weights], x.type, shape, { ...windowAttributes(g), output_padding });
}

function windowAttributes({ kernel, strides, dilations, pads, groups }: ConvolutionGeometry): Attributes {
  return { kernel_shape: kernel, strides, dilations, pads, ...(groups === 1 ? {} : { group: groups }) };
}
