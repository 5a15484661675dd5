import type { NamedAttrMap, NamedTensorInfoMap } from "@tensorflow/tfjs-core";

/** Returns true if a kernel computes a wrong result for these inputs and attributes. */
export type Fault = (inputs: NamedTensorInfoMap, attributes: NamedAttrMap) => boolean;

/** If the stride is larger than the window, XNNPACK reads the "same" padding as a huge number. */
const longStride: Fault = ({ filter }, { pad, strides }) => {
  const kernel = filter!.shape.slice(0, 2);
  const steps = [strides as number | number[]].flat();
  return pad === "same" && Math.max(...kernel) > 1 && kernel.some((size, axis) => (steps[axis] ?? steps[0]!) > size);
};

const always = (...kernels: string[]): Record<string, Fault> =>
  Object.fromEntries(kernels.map((kernelName) => [kernelName, () => true]));

/**
 * Kernels of TF.js 4.22 with wrong results, as the parity tests found them, or that are far too slow, by backend. A
 * kernel that can be composed of others is replaced (`compositions.ts`); a function that calls any other is refused
 * when it is compiled.
 *
 * - wasm: maxima start from the smallest positive number, and never see a negative one.
 * - wasm: the gradient of a convolution by the image is right, but 35 times slower than the convolution; that of webgpu
 *   reads everything again for each result.
 * - wasm: one-hot vectors of floats hold the bits of integers.
 * - wasm: splitting copies the whole tensor for each part.
 * - wasm and webgpu: log1p is log(1 + x), which is all rounding for small x.
 * - cpu and webgpu: einsum does not sum the axes that only one operand has.
 * - webgpu: sums of many tensors bind all of them to one shader, which has eight buffers on many adapters.
 * - webgpu: cumulative sums and products are wrong in reverse, and the shader that pads supports only four axes.
 */
export const FAULTS: Readonly<Record<string, Readonly<Record<string, Fault>>>> = {
  cpu: always("MaxPool3DGrad", "Einsum"),
  wasm: {
    ...always(
      "Conv2DBackpropInput",
      "MaxPoolGrad",
      "MaxPool3D",
      "MaxPool3DGrad",
      "Conv3DBackpropInputV2",
      "Conv3DBackpropFilterV2",
      "Log1p",
      "SplitV",
    ),
    OneHot: (_, { dtype }) => dtype !== "int32",
    Conv2D: longStride,
    DepthwiseConv2dNative: longStride,
  },
  webgpu: {
    ...always("AddN", "Conv2DBackpropInput", "MaxPool3DGrad", "Einsum", "Log1p", "Cumsum", "Cumprod"),
    PadV2: ({ x }) => x!.shape.length > 4,
  },
  tensorflow: { GatherV2: (_, { axis }) => Number(axis) < 0 },
};
