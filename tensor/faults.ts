import type { NamedAttrMap, NamedTensorInfoMap } from "@tensorflow/tfjs-core";

/** Whether a kernel computes something wrong when it is called with these. */
export type Fault = (inputs: NamedTensorInfoMap, attributes: NamedAttrMap) => boolean;

const always: Fault = () => true;

/** XNNPACK takes what "same" pads modulo 2^32 where the windows leave out pixels between them. */
const longStride: Fault = ({ filter }, { pad, strides }) => {
  const kernel = filter!.shape.slice(0, 2);
  const steps = [strides as number | number[]].flat();
  return pad === "same" &&
    kernel.some((size, axis) => size > 1 || kernel[1 - axis]! > 1 ? (steps[axis] ?? steps[0]!) > size : false);
};

/**
 * Kernels of TF.js 4.22 whose results are wrong, by backend, as the parity tests found them. One that can be composed of
 * others is replaced (`compositions.ts`); a function that calls any other is refused when it is compiled.
 */
export const FAULTS: Readonly<Record<string, Readonly<Record<string, Fault>>>> = {
  // Axes of one operand alone are not summed.
  cpu: { MaxPool3DGrad: always, Einsum: always },
  wasm: {
    // They begin their maximum at the smallest positive number, and so never see a negative one.
    Dilation2D: always,
    Dilation2DBackpropInput: always,
    Dilation2DBackpropFilter: always,
    MaxPool3D: always,
    MaxPool3DGrad: always,
    MaxPoolGrad: always,
    Conv3DBackpropInputV2: always,
    Conv3DBackpropFilterV2: always,
    Conv2D: longStride,
    DepthwiseConv2dNative: longStride,
    FusedConv2D: longStride,
    FusedDepthwiseConv2D: longStride,
    // log(1 + x), which is all rounding for small x.
    Log1p: always,
  },
  webgpu: {
    MaxPool3DGrad: always,
    Einsum: always,
    Log1p: always,
    // With `reverse`.
    Cumsum: always,
    Cumprod: always,
  },
  tensorflow: { GatherV2: (_, { axis }) => Number(axis) < 0 },
};
