import type * as tf from "@tensorflow/tfjs-core";
import { convolutionInfo } from "../../convolution_info.ts";
import { type KernelMaker, type Program, sumParts } from "./program.ts";

/** Results of one group of threads: 8 x 8 threads with 4 x 4 each. */
const TILE = 32;

/** Outputs that a group reads at a time. */
const DEPTH = 16;

/** 64 threads read two rows of a tile at once. */
const OUTPUT_STEP = 64 / TILE;

/** As many groups of threads as keep a large processor busy. */
const WANTED_GROUPS = 256;

/** Outputs that one group should at least sum over. */
const LEAST_OUTPUTS = 256;

/**
 * Gradient of conv2d by its filter, as a product of matrices: dW [kH kW C, O] is the sum over all output pixels of what
 * each tap saw there times dY. Threads of a group share what they read; TF.js's shader reads everything anew for each
 * of the results, one thread each. The outputs are divided among groups, and their sums added in order.
 */
export const convFilterGradient: KernelMaker = () => ({ inputs: { x, dy }, attrs, backend }) => {
  const { filterShape, ...sizes } = attrs as unknown as tf.Conv2DBackpropFilterAttrs;
  const info = convolutionInfo(x!.shape, filterShape, sizes);
  const rows = info.filterHeight * info.filterWidth * info.inChannels;
  const columns = info.outChannels;
  const outputs = info.batchSize * info.outHeight * info.outWidth;
  const groups = Math.ceil(rows / TILE) * Math.ceil(columns / TILE);
  const wanted = Math.min(Math.ceil(WANTED_GROUPS / groups), Math.ceil(outputs / LEAST_OUTPUTS));
  const perPart = Math.ceil(outputs / wanted / DEPTH) * DEPTH;
  const shape: [number, number, number] = [Math.ceil(outputs / perPart), rows, columns];
  const parts = backend.runWebGPUProgram(program(shape), [x!, dy!], "float32", [
    { type: "int32", data: [info.padInfo.top, info.padInfo.left] },
    { type: "int32", data: [info.strideHeight, info.strideWidth] },
    { type: "int32", data: [info.filterWidth] },
    { type: "int32", data: [outputs] },
    { type: "int32", data: [perPart] },
  ]);
  const out = sumParts(backend, parts, [...filterShape]);
  backend.disposeData(parts.dataId);
  return out;
};

function program(shape: [parts: number, rows: number, columns: number]): Program {
  const [parts, rows, columns] = shape;
  return {
    variableNames: ["x", "dy"],
    uniforms: "pads : vec2<i32>, strides : vec2<i32>, filterWidth : i32, outputs : i32, perPart : i32,",
    outputShape: shape,
    shaderKey: "noiselineConvFilterGradient",
    workgroupSize: [8, 8, 1],
    dispatchLayout: { x: [2], y: [1], z: [0] },
    dispatch: [Math.ceil(columns / TILE), Math.ceil(rows / TILE), parts],
    getUserCode: () => SHADER,
  };
}

const SHADER = `
  var<workgroup> seen : array<array<f32, ${TILE}>, ${DEPTH}>;
  var<workgroup> gradients : array<array<f32, ${TILE}>, ${DEPTH}>;

  fn main() {
    let rowStart = i32(workgroupId.y) * ${TILE};
    let columnStart = i32(workgroupId.x) * ${TILE};
    let start = i32(workgroupId.z) * uniforms.perPart;
    let end = min(start + uniforms.perPart, uniforms.outputs);

    // Each thread reads the same row and column of every tile, of every other output.
    let lane = i32(localIndex) % ${TILE};
    let firstDepth = i32(localIndex) / ${TILE};
    let row = rowStart + lane;
    let column = columnStart + lane;
    let height = uniforms.xShape.y;
    let width = uniforms.xShape.z;
    let channels = uniforms.xShape.w;
    let tap = row / channels;
    let tapY = tap / uniforms.filterWidth - uniforms.pads.x;
    let tapX = tap % uniforms.filterWidth - uniforms.pads.y;
    let channel = row % channels;

    // Coordinates of the output to read next. Divisions are slow, so they are carried along.
    var output = start + firstDepth;
    var outX = output % uniforms.dyShape.z;
    var outY = output / uniforms.dyShape.z;
    var image = outY / uniforms.dyShape.y;
    outY = outY % uniforms.dyShape.y;

    ${each((i) => `var sum${i} = vec4<f32>(0.0);`)}
    for (var tileStart = start; tileStart < end; tileStart += ${DEPTH}) {
      for (var depth = firstDepth; depth < ${DEPTH}; depth += ${OUTPUT_STEP}) {
        let y = outY * uniforms.strides.x + tapY;
        let xx = outX * uniforms.strides.y + tapX;
        var pixel = 0.0;
        var gradient = 0.0;
        if (output < end) {
          if (row < uniforms.outShape.y && y >= 0 && y < height && xx >= 0 && xx < width) {
            pixel = x[((image * height + y) * width + xx) * channels + channel];
          }
          if (column < uniforms.outShape.z) {
            gradient = dy[output * uniforms.outShape.z + column];
          }
        }
        seen[depth][lane] = pixel;
        gradients[depth][lane] = gradient;
        output += ${OUTPUT_STEP};
        outX += ${OUTPUT_STEP};
        while (outX >= uniforms.dyShape.z) {
          outX -= uniforms.dyShape.z;
          outY++;
          if (outY == uniforms.dyShape.y) {
            outY = 0;
            image++;
          }
        }
      }
      workgroupBarrier();
      let first = i32(localId.y) * 4;
      let left = i32(localId.x) * 4;
      for (var depth = 0; depth < ${DEPTH}; depth++) {
        let gradient = vec4<f32>(${each((j) => `gradients[depth][left + ${j}]`, ", ")});
        ${each((i) => `sum${i} += seen[depth][first + ${i}] * gradient;`)}
      }
      workgroupBarrier();
    }

    let outRow = rowStart + i32(localId.y) * 4;
    let outColumn = columnStart + i32(localId.x) * 4;
    let at = (i32(workgroupId.z) * uniforms.outShape.y + outRow) * uniforms.outShape.z + outColumn;
    ${
  each((i) =>
    each((j) => `
    if (outRow + ${i} < uniforms.outShape.y && outColumn + ${j} < uniforms.outShape.z) {
      result[at + ${i} * uniforms.outShape.z + ${j}] = sum${i}[${j}];
    }`)
  )
}
  }
`;

/** A thread has 4 x 4 results; loops over arrays of them would keep them in memory. */
function each(line: (index: number) => string, separator = "\n"): string {
  return [0, 1, 2, 3].map(line).join(separator);
}
