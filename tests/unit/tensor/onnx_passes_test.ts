import * as tf from "@tensorflow/tfjs-core";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { PureFunction, Signature } from "../../../tensor/device.ts";
import { openOnnxDevice } from "../../../tensor/onnx/device.ts";
import { overwritableInputs } from "../../../tensor/onnx/passes/in_place.ts";
import { splitFixed } from "../../../tensor/onnx/passes/split_fixed.ts";
import { viewFlatVectors } from "../../../tensor/onnx/passes/views.ts";
import { liveValues, type Value } from "../../../tensor/trace/graph.ts";
import { trace } from "../../../tensor/trace/trace.ts";
import { float32, sampleFeeds } from "../../support/tensors.ts";

async function viewed(fn: PureFunction, inputs: Signature) {
  await tf.setBackend("cpu");
  const traced = trace(fn, inputs, "test");
  return viewFlatVectors(traced.graph, traced.inputs, traced.outputs);
}

Deno.test("viewFlatVectors() takes a vector that is only cut as parts, in the shapes they are used in", async () => {
  const { inputs, inputViews, outputs, outputViews } = await viewed(({ flat }) => {
    const w = tf.reshape(tf.slice(flat!, 2, 4), [2, 2]);
    return { flat: tf.concat([tf.neg(tf.slice(flat!, 0, 2)), tf.reshape(tf.neg(w), [4])]) };
  }, { flat: float32(6) });
  assertEquals(inputs.map(({ shape }) => shape.length).toSorted(), [1, 2]);
  assertEquals([...inputViews.values()].map(({ start, length }) => [start, length]).sort(), [[0, 2], [2, 4]]);
  assertEquals([...outputViews.values()], [
    { whole: "flat", start: 0, length: 2 },
    { whole: "flat", start: 2, length: 4 },
  ]);
  const operators = liveValues(outputs.values()).flatMap((value) => value.kind === "operation" ? [value.op] : []);
  assertEquals(operators.toSorted(), ["Neg", "Neg", "Reshape"]);
});

Deno.test("viewFlatVectors() leaves a vector alone that is also used whole", async () => {
  const { inputs, inputViews } = await viewed(
    ({ flat }) => ({ part: tf.slice(flat!, 1, 2), sum: tf.sum(flat!) }),
    { flat: float32(4) },
  );
  assertEquals(inputs.map(({ name }) => name), ["flat"]);
  assertEquals(inputViews.size, 0);
});

Deno.test("cutting and joining vectors gives what TF.js gives, whatever the cuts", async () => {
  const device = await openOnnxDevice({ threads: 1 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 }), async (sizes) => {
      const total = sizes.reduce((sum, size) => sum + size, 0);
      const signature = { flat: float32(total) };
      const feeds = sampleFeeds(signature);
      const compiled = await device.compile(({ flat }) => {
        const parts = sizes.length === 1 ? [flat!] : tf.split(flat!, sizes);
        return { flat: tf.concat(parts.map((part, i) => tf.mul(part, i + 1))) };
      }, signature);
      const { flat } = await compiled.run(feeds);
      const factors = sizes.flatMap((size, i) => Array<number>(size).fill(i + 1));
      assertEquals(
        flat,
        feeds["flat"]!.map((value, i) => Math.fround(value * factors[i]!)) as Float32Array<ArrayBuffer>,
      );
      await compiled.dispose();
    }),
    { numRuns: 15 },
  );
  await device.dispose();
});

/** Names that may be written over in a function, of those that it carries. */
async function overwritable(fn: PureFunction, inputs: Signature): Promise<string[]> {
  const views = await viewed(fn, inputs);
  const written = new Set([...views.outputs.keys()].map((part) => views.outputViews.get(part)?.whole ?? part));
  return [...overwritableInputs(views, views.outputs, Object.keys(inputs).filter((name) => written.has(name)))];
}

Deno.test("overwritableInputs() allows an update that is the last to read its input", async () => {
  const inputs = { m: float32(4), g: float32(4) };
  assertEquals(await overwritable(({ m, g }) => ({ m: tf.add(tf.mul(m!, 0.9), g!), g: tf.add(g!, 1) }), inputs), ["m"]);
});

Deno.test("overwritableInputs() refuses an input that something else may still read", async () => {
  const inputs = { m: float32(4) };
  // Nothing makes the sum of the old values come before the new values.
  assertEquals(await overwritable(({ m }) => ({ m: tf.add(m!, 1), sum: tf.sum(m!) }), inputs), []);
  // The sum is part of the new values.
  assertEquals(await overwritable(({ m }) => ({ m: tf.add(m!, tf.sum(m!)) }), inputs), ["m"]);
  // A result whose elements come from other places.
  assertEquals(await overwritable(({ m }) => ({ m: tf.reverse(m!, 0) }), inputs), []);
});

Deno.test("overwritableInputs() allows an operand of the result's shape beside one that is broadcast", async () => {
  const inputs = { m: float32(2, 2) };
  const fn: PureFunction = ({ m }) => ({ m: tf.mul(m!, tf.sum(m!, 1, true)) });
  assertEquals(await overwritable(fn, inputs), ["m"]);
  const device = await openOnnxDevice({ threads: 2 });
  const compiled = await device.compile(fn, inputs);
  const bound = await compiled.bind({ m: Float32Array.of(1, 2, 3, 4) });
  await bound.run({});
  assertEquals((await bound.read())["m"], Float32Array.of(3, 6, 21, 28));
  await device.dispose();
});

Deno.test("overwritableInputs() counts outputs, other shapes and shifted operands as reads", async () => {
  const matrix = { p: float32(4, 5), g: float32(4, 5) };
  // The old value is an output as well, and is copied at no certain time.
  assertEquals(await overwritable(({ p, g }) => ({ old: tf.clone(p!), p: tf.sub(p!, g!) }), matrix), []);
  // The sum reads through another shape, which is no copy.
  const reshaped: PureFunction = ({ p, g }) => {
    const flat = tf.reshape(p!, [20]);
    return { z: tf.sum(tf.exp(flat)), p: tf.sub(p!, tf.reshape(tf.tanh(flat), [4, 5])), g: tf.neg(g!) };
  };
  assertEquals(await overwritable(reshaped, matrix), []);
  // The first sum writes where the second still reads.
  const shifted: PureFunction = ({ p }) => {
    const sums = tf.add(tf.slice(p!, 0, 10), tf.slice(p!, 5, 10));
    return { p: tf.concat([tf.slice(sums, 0, 5), sums]) };
  };
  assertEquals(await overwritable(shifted, { p: float32(15) }), []);
});

/** Operators of what is prepared and of the rest, with `w` fixed. */
async function splitOperators(fn: PureFunction, inputs: Signature) {
  await tf.setBackend("cpu");
  const { graph, inputs: values, outputs } = trace(fn, inputs, "test");
  const split = splitFixed(graph, values, outputs, new Set(values.filter(({ name }) => name === "w")));
  const names = (roots: Iterable<Value>) =>
    liveValues(roots).flatMap((value) => value.kind === "operation" ? [value.op] : []);
  return { prepared: names(split.prepared.values()), rest: names(split.outputs.values()) };
}

Deno.test("splitFixed() prepares what follows from fixed inputs, and leaves reshapes where they are used", async () => {
  const inputs = { x: float32(2, 6), w: float32(6) };
  const fn: PureFunction = ({ x, w }) => ({
    scaled: tf.mul(x!, tf.reshape(tf.exp(w!), [1, 6])),
    plain: tf.add(x!, tf.reshape(w!, [1, 6])),
  });
  assertEquals(await splitOperators(fn, inputs), { prepared: ["Exp"], rest: ["Reshape", "Add", "Reshape", "Mul"] });
});

Deno.test("splitFixed() prepares outputs that follow from fixed inputs alone", async () => {
  const inputs = { x: float32(3), w: float32(3) };
  const fn: PureFunction = ({ x, w }) => ({ y: tf.neg(x!), z: tf.exp(tf.neg(w!)) });
  assertEquals(await splitOperators(fn, inputs), { prepared: ["Neg", "Exp"], rest: ["Neg"] });
  const device = await openOnnxDevice({ threads: 1 });
  const compiled = await device.compile(fn, inputs);
  const bound = await compiled.bind({ w: Float32Array.of(0, 0, 0) });
  assertEquals(await bound.run({ x: Float32Array.of(1, 2, 3) }), {
    y: Float32Array.of(-1, -2, -3),
    z: Float32Array.of(1, 1, 1),
  });
  await device.dispose();
});

Deno.test("splitFixed() hands over numbers only: what is neither float32 nor int32 is computed at each run", async () => {
  const inputs = { x: float32(3), w: float32(3) };
  const fn: PureFunction = ({ x, w }) => ({ y: tf.where(tf.greater(tf.neg(w!), 0), x!, tf.zeros([3])) });
  assertEquals(await splitOperators(fn, inputs), { prepared: ["Neg"], rest: ["Greater", "Where"] });
  const device = await openOnnxDevice({ threads: 1 });
  const compiled = await device.compile(fn, inputs);
  const bound = await compiled.bind({ w: Float32Array.of(-1, 1, -2) });
  assertEquals((await bound.run({ x: Float32Array.of(1, 2, 3) }))["y"], Float32Array.of(1, 0, 3));
  await device.dispose();
});
