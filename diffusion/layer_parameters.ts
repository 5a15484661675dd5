import type { Init, ParameterSpec } from "./define.ts";

/** Parameters of the layers of `layers.ts`; this needs no TF.js. */

/** Parameters of `dense`: kernel [in, out] by variance scaling, bias. @param scale of the start; 0 starts at zero */
export function denseParameters(name: string, inChannels: number, outChannels: number, scale = 1): ParameterSpec[] {
  return layerParameters(name, [inChannels, outChannels], { scale, fanIn: inChannels, fanOut: outChannels });
}

/** Parameters of `conv`: kernel [3, 3, in, out] by variance scaling, bias. @param scale of the start; 0 starts at zero */
export function convParameters(name: string, inChannels: number, outChannels: number, scale = 1): ParameterSpec[] {
  const fans = { fanIn: 9 * inChannels, fanOut: 9 * outChannels };
  return layerParameters(name, [3, 3, inChannels, outChannels], { scale, ...fans });
}

/** Parameters of `norm`: scale 1 and bias 0 for each channel. */
export function normParameters(name: string, channels: number): ParameterSpec[] {
  return [
    { name: `${name}.scale`, shape: [channels], init: "ones" },
    { name: `${name}.bias`, shape: [channels], init: "zeros" },
  ];
}

/** Kernel of this shape, whose last axis is that of the bias. */
export function layerParameters(name: string, shape: readonly number[], init: Init): ParameterSpec[] {
  return [
    { name: `${name}.kernel`, shape, init },
    { name: `${name}.bias`, shape: [shape.at(-1)!], init: "zeros" },
  ];
}
