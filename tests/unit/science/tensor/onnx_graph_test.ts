import * as tf from "@tensorflow/tfjs-core";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import "../../../../science/tensor/complete_tfjs.ts";
import type { PureFunction, Signature } from "../../../../science/tensor/device.ts";
import { chooseConvolutions } from "../../../../science/tensor/onnx/passes/split_fixed.ts";
import { fuseBias } from "../../../../science/tensor/onnx/passes/fuse_bias.ts";
import { fuseContrib } from "../../../../science/tensor/onnx/passes/fuse_contrib.ts";
import { Graph, liveValues, type Value } from "../../../../science/tensor/trace/graph.ts";
import { trace } from "../../../../science/tensor/trace/trace.ts";
import { float32 } from "../../../support/tensors.ts";

type Pass = (graph: Graph, outputs: ReadonlyMap<string, Value>) => ReadonlyMap<string, Value>;

/** Returns the ONNX operators that outputs need. */
async function operators(fn: PureFunction, inputs: Signature, pass?: Pass): Promise<string[]> {
  await tf.setBackend("cpu");
  const { graph, outputs } = trace(fn, inputs, "test");
  const chosen = chooseConvolutions(graph, outputs, new Set(), false);
  const results: ReadonlyMap<string, Value> = pass === undefined ? chosen : pass(graph, chosen);
  return liveValues(results.values()).flatMap((value) => value.kind === "operation" ? [value.op] : []);
}

const x = float32(2, 4, 4, 3);

Deno.test("Graph keeps equal expressions once", () => {
  const graph = new Graph();
  const a = graph.input("a", "float32", [2]);
  const half = () => graph.constant("float32", [], Float32Array.of(0.5));
  assertStrictEquals(
    graph.operation("Mul", [a, half()], "float32", [2]),
    graph.operation("Mul", [a, half()], "float32", [2]),
  );
  const zero = graph.constant("float32", [], Float32Array.of(0));
  assert(zero !== graph.constant("float32", [], Float32Array.of(-0)));
});

Deno.test("trace() drops what no output needs", async () => {
  const fn: PureFunction = ({ x }) => {
    tf.exp(x!);
    return { y: tf.neg(x!) };
  };
  assertEquals(await operators(fn, { x }), ["Neg"]);
});

Deno.test("trace() leaves out multiplications by one and additions of zero", async () => {
  const fn: PureFunction = ({ x }) => ({ y: tf.add(tf.mul(x!, tf.ones([2, 4, 4, 3])), tf.zeros([3])) });
  assertEquals(await operators(fn, { x }), []);
});

Deno.test("trace() broadcasts after it computes", async () => {
  const fn: PureFunction = ({ s }) => ({ y: tf.neg(tf.mul(s!, tf.ones([2, 4, 4, 3]))) });
  assertEquals(await operators(fn, { s: float32(3) }), ["Neg", "Expand"]);
});

Deno.test("trace() joins transposes and reshapes that follow each other", async () => {
  const fn: PureFunction = ({ x }) => {
    const there = tf.transpose(x!, [0, 3, 1, 2]);
    const back = tf.transpose(there, [0, 2, 3, 1]);
    return { same: back, flat: tf.reshape(tf.reshape(back, [2, 48]), [96]) };
  };
  assertEquals(await operators(fn, { x }), ["Reshape"]);
});

Deno.test("chooseConvolutions() makes a 1x1 convolution a matrix product", async () => {
  const fn: PureFunction = ({ x, w }) => ({ y: tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same") });
  assertEquals(await operators(fn, { x, w: float32(1, 1, 3, 5) }), ["Reshape", "Reshape", "Gemm", "Reshape"]);
});

Deno.test("fuseBias() gives biases to convolutions and matrix products", async () => {
  const fn: PureFunction = ({ x, w, b, dense }) => {
    const y = tf.add(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same"), b!);
    return { y: tf.add(tf.matMul(tf.reshape(y, [32, 5]), dense!), b!) };
  };
  const inputs = { x, w: float32(3, 3, 3, 5), b: float32(5), dense: float32(5, 5) };
  assertEquals((await operators(fn, inputs)).filter((op) => op === "Add").length, 2);
  assertEquals((await operators(fn, inputs, fuseBias)).filter((op) => op === "Add").length, 0);
});

Deno.test("fuseBias() keeps a sum whose first part is used elsewhere", async () => {
  const fn: PureFunction = ({ a, b, bias }) => {
    const product = tf.matMul(a!, b!);
    return { product, y: tf.add(product, bias!) };
  };
  const inputs = { a: float32(2, 3), b: float32(3, 4), bias: float32(4) };
  assertEquals(await operators(fn, inputs, fuseBias), ["Gemm", "Add"]);
});

Deno.test("fuseContrib() leaves transposes and scales to the product", async () => {
  const inputs = { q: float32(2, 4, 3), k: float32(2, 5, 3), v: float32(2, 5, 6) };
  const attention: PureFunction = ({ q, k, v }) => ({
    y: tf.matMul(tf.mul(tf.matMul(q!, k!, false, true), 0.5), v!),
  });
  assertEquals(await operators(attention, inputs, fuseContrib), ["FusedMatMul", "MatMul"]);
  // Here the unscaled product is an output too.
  const both: PureFunction = ({ q, k }) => {
    const product = tf.matMul(q!, k!, false, true);
    return { product, scaled: tf.mul(product, 0.5) };
  };
  assertEquals(await operators(both, inputs, fuseContrib), ["FusedMatMul", "Mul"]);
});

Deno.test("fuseContrib() joins x sigmoid(x) where the sigmoid is wanted for nothing else", async () => {
  const inputs = { x };
  assertEquals(await operators(({ x }) => ({ y: tf.mul(x!, tf.sigmoid(x!)) }), inputs, fuseContrib), ["QuickGelu"]);
  const both: PureFunction = ({ x }) => {
    const gate = tf.sigmoid(x!);
    return { gate, y: tf.mul(gate, x!) };
  };
  assertEquals(await operators(both, inputs, fuseContrib), ["Sigmoid", "Mul"]);
  const other: PureFunction = ({ x }) => ({ y: tf.mul(x!, tf.sigmoid(tf.neg(x!))) });
  assertEquals(await operators(other, inputs, fuseContrib), ["Neg", "Sigmoid", "Mul"]);
});

Deno.test("the gradient of a convolution does not keep the transformed filter of the forward pass", async () => {
  await tf.setBackend("cpu");
  const inputs = { x: float32(1, 16, 16, 32), w: float32(3, 3, 32, 32) };
  const { graph, outputs } = trace(
    ({ x, w }) => {
      const conv = (x: tf.Tensor) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same");
      const { value, grad } = tf.valueAndGrad(conv)(x!);
      return { value, grad };
    },
    inputs,
    "test",
  );
  const chosen = chooseConvolutions(graph, outputs, new Set(), false);
  const filters = liveValues(chosen.values()).filter(({ shape }) => `${shape}` === `36,${32 * 32}`);
  assertEquals(filters.length, 2);
});
