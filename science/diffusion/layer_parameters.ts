import type { Init, ParameterSpec } from "./define.ts";

/** Parameters of the layers of `layers.ts`. This module does not need TF.js. */

/** Number of elements of one parameter. */
export function sizeOf({ shape }: Pick<ParameterSpec, "shape">): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** Number of elements of all parameters. */
export function countOf(parameters: readonly Pick<ParameterSpec, "shape">[]): number {
  return parameters.reduce((sum, spec) => sum + sizeOf(spec), 0);
}

/**
 * Parameters of `dense`: kernel [in, out] by variance scaling, bias.
 * @param scale of the initial kernel; 0 starts it at zero
 */
export function denseParameters(name: string, inChannels: number, outChannels: number, scale = 1): ParameterSpec[] {
  return layerParameters(name, [inChannels, outChannels], { scale, fanIn: inChannels, fanOut: outChannels });
}

/**
 * Parameters of `conv`: kernel [3, 3, in, out] by variance scaling, bias.
 * @param scale of the initial kernel; 0 starts it at zero
 */
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

/** Parameters of a layer: a kernel of this shape, and a bias as long as the kernel's last axis. */
export function layerParameters(name: string, shape: readonly number[], init: Init): ParameterSpec[] {
  return [
    { name: `${name}.kernel`, shape, init },
    { name: `${name}.bias`, shape: [shape.at(-1)!], init: "zeros" },
  ];
}
