// deno-lint-ignore-file no-console -- a tool prints what it finds
/**
 * Prints the table from which the rule in tensor/trace/kernels/conv_methods.ts was derived for filters that never
 * change: layers computed by each method, in turns. The times are minima; "rule" names the method that the rule
 * chooses.
 *
 *     deno run -A tools/convolutions.ts 2    # threads
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import "../tensor/complete_tfjs.ts";
import { allocate } from "../tensor/feeds.ts";
import type { PureFunction, Signature } from "../tensor/device.ts";
import { hasFastConv, onnxNumerics } from "../tensor/onnx/describe.ts";
import { openProgram } from "../tensor/onnx/program.ts";
import type { ConvolutionGeometry } from "../tensor/trace/kernels/conv_geometry.ts";
import { methodFor, METHODS } from "../tensor/trace/kernels/conv_methods.ts";
import type { OperationValue, Value } from "../tensor/trace/graph.ts";
import { signatureOf, trace } from "../tensor/trace/trace.ts";

const NAMES = Object.keys(METHODS) as (keyof typeof METHODS)[];

/** Batch, size of images and of the kernel, channels in and out, stride. */
const SHAPES = [
  ...[16, 24, 32, 40, 48, 56, 64, 96, 128].map((width) => [16, 16, 3, width, width, 1]),
  ...[64, 96, 128, 256].flatMap((width) => [[16, 16, 3, width, 32, 1], [16, 16, 3, 32, width, 1]]),
  ...[[32, 8], [8, 28], [4, 32], [2, 64]].flatMap(([batch, size]) => [32, 64].map((w) => [batch!, size!, 3, w, w, 1])),
  [16, 28, 3, 1, 32, 1],
  [16, 28, 3, 32, 1, 1],
  [4, 32, 3, 128, 3, 1],
  [16, 16, 3, 32, 32, 2],
  [16, 16, 3, 64, 64, 2],
  [4, 32, 3, 128, 128, 2],
  [4, 16, 3, 256, 256, 2],
  [8, 32, 5, 32, 32, 1],
  [16, 16, 1, 96, 32, 1],
  [32, 8, 1, 64, 192, 1],
] as [batch: number, size: number, kernel: number, input: number, output: number, stride: number][];

/** Layers in a program, so many that the cost of calling it is small in comparison, and measured runs of it. */
const LAYERS = 4;
const RUNS = 30;

const threads = Number(Deno.args[0] ?? navigator.hardwareConcurrency);
const numerics = onnxNumerics(threads);
await tf.ready();
console.log(`${numerics}, ms a layer\n`);
console.log(`| batch, size, kernel, in, out, stride | ${NAMES.join(" | ")} | rule |`);
console.log(`| --- | ${NAMES.map(() => "---").join(" | ")} | --- |`);
for (const shape of SHAPES) {
  const [batch, size, kernel, input, output, stride] = shape;
  const layers = Array.from({ length: LAYERS }, (_, i) => i);
  const inputs: Signature = Object.fromEntries(layers.flatMap((i) => [
    [`x${i}`, { shape: [batch, size, size, input], dtype: "float32" }],
    [`w${i}`, { shape: [kernel, kernel, input, output], dtype: "float32" }],
  ]));
  const fn: PureFunction = (given) => {
    const [xs, filters] = ["x", "w"].map((letter) => layers.map((i) => given[`${letter}${i}`] as tf.Tensor4D));
    return Object.fromEntries(layers.map((i) => [`y${i}`, tf.conv2d(xs![i]!, filters![i]!, stride, "same")]));
  };
  const part = (letter: string) => {
    const specs = Object.entries(inputs).filter(([name]) => name.startsWith(letter));
    return Object.fromEntries(specs.map(([name, spec]) => [name, allocate(spec).map((_, i) => Math.sin(i) / 8)]));
  };
  const [images, filters] = [part("x"), part("w")];
  const traced = trace(fn, inputs, "layers");
  const results = Object.fromEntries(
    Object.entries(signatureOf(traced.outputs)).map(([name, spec]) => [name, allocate(spec)]),
  );
  const geometryOf = (value: Value) => (value as OperationValue).attributes as ConvolutionGeometry;
  const fastConv = hasFastConv(numerics);
  const rule = methodFor(geometryOf(traced.outputs.get("y0")!), fastConv);

  const fit = NAMES.filter((method) => !method.startsWith("winograd") || (kernel === 3 && stride === 1));
  const programs = await Promise.all(fit.map(async (method) => {
    // Each method gets its own graph, which shares nothing with the others.
    const { graph, ...rest } = trace(fn, inputs, method);
    const outputs = new Map([...rest.outputs].map(([name, value]) => {
      const [x, filter] = (value as OperationValue).inputs as [Value, Value];
      return [name, METHODS[method].forward(graph, x, filter, geometryOf(value))];
    }));
    const options = { label: method, threads, fastConv };
    return { method, least: Infinity, program: await openProgram({ ...rest, graph, outputs }, filters, options) };
  }));
  for (let run = 0; run < RUNS; run++) {
    for (const each of programs) {
      const begin = performance.now();
      await each.program.execute(images, results);
      each.least = Math.min(each.least, performance.now() - begin);
    }
  }
  for (const { program } of programs) await program.release();
  const cells = NAMES.map((name) => programs.find(({ method }) => method === name))
    .map((each) => each === undefined ? "" : (each.least / LAYERS).toFixed(2));
  console.log(`| ${shape.join(", ")} | ${cells.join(" | ")} | ${rule} |`);
}
Deno.exit(0);
