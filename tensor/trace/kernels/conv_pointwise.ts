import { matMul } from "../emit/contract.ts";
import { reshape } from "../emit/shape.ts";
import { sizeOf } from "../graph.ts";
import type { Graph, Value } from "../graph.ts";
import type { ConvolutionGeometry } from "./conv_geometry.ts";

/** Convolutions that see one pixel at a time: matrix products of pixels. */

/** [N, H, W, C], [1, 1, C, O] -> [N, H, W, O]. */
export function forward(graph: Graph, x: Value, filter: Value, g: ConvolutionGeometry): Value {
  return reshape(graph, matMul(graph, pixels(graph, x), matrix(graph, filter)), g.output);
}

/** dL/dx, [N, H, W, C]. */
export function inputGradient(graph: Graph, dy: Value, filter: Value, g: ConvolutionGeometry): Value {
  const dx = matMul(graph, pixels(graph, dy), matrix(graph, filter), { transposeB: true });
  return reshape(graph, dx, g.input);
}

/** dL/dfilter, [1, 1, C, O]. */
export function filterGradient(graph: Graph, x: Value, dy: Value, g: ConvolutionGeometry): Value {
  return reshape(graph, matMul(graph, pixels(graph, x), pixels(graph, dy), { transposeA: true }), g.filter);
}

/** [N, H, W, C] -> [N H W, C]. */
function pixels(graph: Graph, x: Value): Value {
  const channels = x.shape[3]!;
  return reshape(graph, x, [sizeOf(x.shape) / channels, channels]);
}

/** [1, 1, C, O] -> [C, O]. */
function matrix(graph: Graph, filter: Value): Value {
  return reshape(graph, filter, filter.shape.slice(2));
}
