import * as tf from "@tensorflow/tfjs-core";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { PureFunction, Signature } from "../../../../science/tensor/device.ts";
import { openOnnxDevice } from "../../../../science/tensor/onnx/device.ts";
import { chooseConvolutions, splitFixed } from "../../../../science/tensor/onnx/passes/split_fixed.ts";
import { overwritableInputs } from "../../../../science/tensor/onnx/passes/in_place.ts";
import { pixelsFirst } from "../../../../science/tensor/onnx/passes/pixels_first.ts";
import { splitFlatVectors } from "../../../../science/tensor/onnx/passes/split_flat_vectors.ts";
import { liveValues, type Value } from "../../../../science/tensor/trace/graph.ts";
import { trace } from "../../../../science/tensor/trace/trace.ts";
import { openWasmDevice } from "../../../../science/tensor/wasm/device.ts";
import { assertCloseArrays, float32, sampleFeeds, withGradients } from "../../../support/tensors.ts";

async function viewed(fn: PureFunction, inputs: Signature) {
  await tf.setBackend("cpu");
  const traced = trace(fn, inputs, "test");
  return splitFlatVectors(traced.graph, traced.inputs, traced.outputs);
}

Deno.test("splitFlatVectors() takes a vector that is only cut as parts, in the shapes they are used in", async () => {
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

Deno.test("splitFlatVectors() leaves a vector alone that is also used whole", async () => {
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

/** Returns the state variables of a function that may be overwritten in place. */
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
  // Nothing makes the sum of the old values run before the new values are written.
  assertEquals(await overwritable(({ m }) => ({ m: tf.add(m!, 1), sum: tf.sum(m!) }), inputs), []);
  // The sum is part of the new values.
  assertEquals(await overwritable(({ m }) => ({ m: tf.add(m!, tf.sum(m!)) }), inputs), ["m"]);
  // The elements of this result come from other positions.
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
  // The old value is an output as well, and it is undefined when it is copied.
  assertEquals(await overwritable(({ p, g }) => ({ old: tf.clone(p!), p: tf.sub(p!, g!) }), matrix), []);
  // The sum reads through another shape, which is not a copy.
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

/** Returns the operators of the prepared part and of the rest, with `w` fixed. */
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

/** The operations between a network's convolutions, [16, 4, 8, 32] in and out, and their inputs. */
const BETWEEN: Readonly<
  Record<string, [inputs: string, (x: tf.Tensor, others: Record<string, tf.Tensor>) => tf.Tensor]>
> = {
  "a bias and a shift of each image": [
    "bias shift",
    (x, { bias, shift }) => tf.add(tf.add(x, bias!), tf.reshape(shift!, [16, 1, 1, 32])),
  ],
  "a bias, which is the product's": ["bias", (x, { bias }) => tf.add(x, bias!)],
  "sums over pixels": ["", (x) => tf.mul(x, tf.sigmoid(tf.sum(x, [1, 2], true)))],
  "a product over channels": [
    "square",
    (x, { square }) => tf.reshape(tf.matMul(tf.reshape(x, [-1, 32]), square as tf.Tensor2D), x.shape),
  ],
  "parts of channels": [
    "",
    (x) => tf.concat([tf.slice(x, [0, 0, 0, 20], [-1, -1, -1, 12]), tf.slice(x, [0, 0, 0, 0], [-1, -1, -1, 20])], 3),
  ],
  "equal parts of channels": ["", (x) => tf.concat(tf.split(x, 2, 3).reverse(), 3)],
  "rows and columns twice, and their mean": ["", (x) => {
    const twice = tf.mul(tf.reshape(x, [64, 1, 8, 1, 32]), tf.ones([1, 2, 1, 2, 1]));
    const pixels = tf.sigmoid(tf.reshape(twice, [16, 8, 16, 32]));
    return tf.reshape(tf.sum(tf.reshape(pixels, [64, 2, 8, 2, 32]), [1, 3]), x.shape);
  }],
  "what needs images first": ["", (x) => tf.add(x, tf.reshape(tf.softmax(tf.reshape(x, [16, 32, 32])), x.shape))],
  "a number for each row and each channel": [
    "",
    (x) => tf.mul(tf.mul(x, tf.reshape(tf.range(0, 4), [4, 1, 1])), tf.range(0, 32)),
  ],
};

Deno.test("convolutions of small images and what is between them give what another device gives", async (t) => {
  const devices = [await openOnnxDevice({ threads: 2 }), await openWasmDevice({ threads: 1 })];
  const all: Signature = {
    ...{ x: float32(16, 4, 8, 32), first: float32(3, 3, 32, 32), second: float32(3, 3, 32, 32) },
    ...{ bias: float32(32), shift: float32(16, 32), square: float32(32, 32) },
  };
  for (const [name, [wanted, between]] of Object.entries(BETWEEN)) {
    const names = ["x", "first", "second", ...wanted.split(" ")];
    const inputs = Object.fromEntries(Object.entries(all).filter(([input]) => names.includes(input)));
    const op = withGradients(({ x, first, second, ...others }) => {
      const h = between(tf.mul(tf.conv2d(x as tf.Tensor4D, first as tf.Tensor4D, 1, "same"), 0.1), others);
      return tf.conv2d(h as tf.Tensor4D, second as tf.Tensor4D, 1, "same");
    });
    await t.step(name, async () => {
      const [got, other] = await Promise.all(devices.map(async (device) => {
        const compiled = await device.compile(op, inputs);
        return await compiled.run(sampleFeeds(inputs));
      }));
      // Two convolutions of 288 products each, with five times the error of plain float32 sums.
      for (const key of Object.keys(other!)) assertCloseArrays(got![key]!, other![key]!, 2e-5, key);
    });
  }
  for (const device of devices) await device.dispose();
});

Deno.test("pixelsFirst() leaves nothing to turn between two convolutions, and gives a bias to the product", async () => {
  await tf.setBackend("cpu");
  const inputs = { x: float32(16, 8, 8, 32), w: float32(3, 3, 32, 32), bias: float32(32), shift: float32(16, 32) };
  const { graph, outputs } = trace(
    ({ x, w, bias, shift }) => {
      const shifted = tf.add(bias!, tf.reshape(shift!, [16, 1, 1, 32]));
      const h = tf.add(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same"), shifted);
      const gated = tf.mul(h, tf.sigmoid(tf.sum(h, [1, 2], true)));
      return { y: tf.conv2d(gated as tf.Tensor4D, w as tf.Tensor4D, 1, "same") };
    },
    inputs,
    "test",
  );
  const chosen = chooseConvolutions(graph, outputs, new Set(), false);
  const live = liveValues(pixelsFirst(graph, chosen).values());
  const count = (op: string) => live.filter((value) => value.kind === "operation" && value.op === op).length;
  // One for the input and one for the output.
  assertEquals([count("Gather"), count("Transpose")], [2, 0]);
  // One for the bias and the shift; the product adds the image.
  assertEquals(count("Add"), 1);
});

Deno.test("an image gets the same bits in any place among others", async () => {
  const device = await openOnnxDevice({ threads: 2 });
  const signature = { x: float32(16, 8, 8, 32), w: float32(3, 3, 32, 32), bias: float32(32) };
  const { x, ...weights } = sampleFeeds(signature);
  const compiled = await device.compile(({ x, w, bias }) => {
    const h = tf.sigmoid(tf.add(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same"), bias!));
    return { y: tf.conv2d(h as tf.Tensor4D, w as tf.Tensor4D, 1, "same") };
  }, signature);
  const size = x!.length / 16;
  const turned = (images: Float32Array, by: number) =>
    Float32Array.from(images, (_, i) => images[(i + by * size) % images.length]!);
  const { y } = await compiled.run({ x: x!, ...weights });
  for (const by of [1, 5, 11]) {
    const other = await compiled.run({ x: turned(x as Float32Array, by), ...weights });
    assertEquals(other["y"], turned(y as Float32Array, by) as Float32Array<ArrayBuffer>);
  }
  await device.dispose();
});
