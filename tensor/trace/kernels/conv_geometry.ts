import { convolutionInfo } from "../../convolution_info.ts";
import type { ConvolutionWindow } from "../emit/contract.ts";
import type { Shape } from "../graph.ts";
import type { KernelCall } from "./translation.ts";

export interface ConvolutionGeometry extends ConvolutionWindow {
  /** [N, H, W, C] */
  readonly input: Shape;
  /** [kH, kW, C, O] */
  readonly filter: Shape;
  /** [N, outH, outW, O] */
  readonly output: Shape;
  /** A convolution that sees one pixel at a time is one matrix product. */
  readonly pointwise: boolean;
}

/** Sizes from TF.js's own rules for padding and rounding. */
export function convolutionGeometry(call: KernelCall, input: Shape, filter: Shape): ConvolutionGeometry {
  const format = call.attribute<string>("dataFormat");
  if (format !== "NHWC") call.fail(`dataFormat must be "NHWC": got "${format}"`, "keep images channels last");
  if (filter[2] !== input[3]) {
    call.fail(`the filter wants ${filter[2]} channels, the image has ${input[3]}`, "use groups of 1");
  }
  const info = convolutionInfo(input, filter, {
    strides: call.attribute("strides"),
    pad: call.attribute("pad"),
    dimRoundingMode: call.attribute("dimRoundingMode"),
  }, call.attribute("dilations"));
  const { top, left, bottom, right } = info.padInfo;
  const pads = [top, left, bottom, right];
  const strides = [info.strideHeight, info.strideWidth];
  const all = [...filter.slice(0, 2), ...strides];
  return {
    input,
    filter,
    output: info.outShape,
    kernel: filter.slice(0, 2),
    strides,
    dilations: [info.dilationHeight, info.dilationWidth],
    pads,
    pointwise: all.every((size) => size === 1) && pads.every((size) => size === 0),
  };
}
