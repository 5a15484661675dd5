import type { NamedAttrMap, NamedTensorInfoMap } from "@tensorflow/tfjs-core";

/** Whether a kernel computes something wrong when it is called with these. */
export type Fault = (inputs: NamedTensorInfoMap, attributes: NamedAttrMap) => boolean;

/** XNNPACK takes what "same" pads for a huge number where windows leave out pixels between them. */
const longStride: Fault = ({ filter }, { pad, strides }) => {
  const kernel = filter!.shape.slice(0, 2);
  const steps = [strides as number | number[]].flat();
  return pad === "same" && Math.max(...kernel) > 1 && kernel.some((size, axis) => (steps[axis] ?? steps[0]!) > size);
};

const always = (...kernels: string[]): Record<string, Fault> =>
  Object.fromEntries(kernels.map((kernelName) => [kernelName, () => true]));

/**
 * Kernels of TF.js 4.22 whose results are wrong, by backend, as the parity tests found them, or come much too late. One
 * that can be composed of others is replaced (`compositions.ts`); a function that calls another one is refused when it is
 * compiled.
 *
 * - The maxima of wasm begin at the smallest positive number, and never see a negative one.
 * - Its gradient of a convolution by the image is right, and 35 times slower than the convolution; that of webgpu reads
 *   everything anew for each result.
 * - Its one-hot vectors of floats hold the bits of integers.
 * - It splits by copying the whole for each part.
 * - Its log1p is log(1 + x), all rounding for small x, as is that of webgpu.
 * - Einsum of cpu and webgpu does not sum the axes of one operand alone.
 * - Sums of many tensors of webgpu bind all of them to one shader, which has eight buffers on many adapters.
 * - Cumulative sums and products of webgpu are wrong from the back, and the shader that pads knows four axes.
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
