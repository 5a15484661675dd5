import * as tf from "@tensorflow/tfjs-core";
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
  const dilations = call.attribute<number | [number, number] | undefined>("dilations") ?? 1;
  const info = tf.backend_util.computeConv2DInfo(
    [input[0]!, input[1]!, input[2]!, input[3]!],
    [filter[0]!, filter[1]!, filter[2]!, filter[3]!],
    call.attribute("strides"),
    dilations,
    call.attribute("pad"),
    call.attribute("dimRoundingMode"),
  );
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
