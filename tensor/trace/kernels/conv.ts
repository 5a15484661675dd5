import type { Graph, OperationValue, Value } from "../graph.ts";
import { type ConvolutionGeometry, convolutionGeometry } from "./conv_geometry.ts";
import { methodFor, METHODS } from "./conv_methods.ts";
import type { Translation, TranslationTable } from "./translation.ts";

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

/**
 * Returns the value that computes an operation, if it is a convolution or a gradient of one, from the given operands;
 * undefined for other operations.
 * @param fast true if ONNX Runtime's own convolution is a fast one, and the filter a constant, which that needs
 */
export function computeConvolution(
  graph: Graph,
  { op, attributes }: OperationValue,
  [a, b]: readonly Value[],
  fast: boolean,
): Value | undefined {
  if (!(op in OPERANDS)) return undefined;
  const g = attributes as ConvolutionGeometry;
  return METHODS[methodFor(g, fast)][op as ConvolutionMap](graph, a!, b!, g);
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
