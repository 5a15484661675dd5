import * as tf from "@tensorflow/tfjs-core";
import * as ort from "onnxruntime-node";
import onnxProto from "onnx-proto";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { PureFunction, Signature } from "../../../../science/tensor/device.ts";
import { exportModel } from "../../../../science/tensor/onnx/export_model.ts";
import { createSession } from "../../../../science/tensor/onnx/session.ts";
import { openDevice } from "../../../../science/tensor/mod.ts";
import { CompileError } from "../../../../science/tensor/trace/failure.ts";
import { makeModelOutput, makeNetwork, modelOutputSignature } from "../../../../science/diffusion/network.ts";
import { BUILTIN_NETWORK } from "../../../../science/diffusion/networks.ts";
import dit from "../../../../pipelines/research/dit.ts";
import { assertCloseArrays, float32, sampleFeeds } from "../../../support/tensors.ts";

const METADATA = { fact: "a text" };

const exported = (fn: PureFunction, signatureFor: (batch: number) => Signature, held = {}) =>
  exportModel((batch) => [fn, signatureFor(batch!)], {
    label: "f",
    held,
    nameOf: (name, start) => `${name}/${start}`,
    metadata: METADATA,
  });

async function networkOf(name: "unet" | "dit") {
  const sizes = { height: 12, width: 8, channels: 3, outChannels: 3, classes: 4 };
  if (name === "dit") return makeNetwork(sizes, dit.build(sizes, dit.params.parse({ depth: 2, width: 16 })));
  const definition = await BUILTIN_NETWORK.load();
  const model = { channels: 8, multipliers: [1, 2], blocks: 1, attention: [6] };
  return makeNetwork(sizes, definition.build(sizes, BUILTIN_NETWORK.params.parse(model)));
}

// Several methods of convolution beside the one of the model; sums of a few hundred float32 products differ by 1e-6.
const TOLERANCE = 1e-5;

for (const name of ["unet", "dit"] as const) {
  Deno.test(`an exported network (${name}) computes what the device does, for batches of any size`, async () => {
    await tf.setBackend("cpu");
    const network = await networkOf(name);
    const fn = makeModelOutput(network);
    const feedsFor = (batch: number) => sampleFeeds(modelOutputSignature(network, batch), { seed: batch, bound: 1000 });
    const { params } = feedsFor(1);
    const model = await exported(fn, (batch) => modelOutputSignature(network, batch), { params });
    const session = await createSession(model, 1);
    const device = await openDevice("onnx", { threads: 1 });
    try {
      for (const batch of [1, 2, 5, 9]) {
        const { params: _, ...feeds } = feedsFor(batch);
        const signature = modelOutputSignature(network, batch);
        const compiled = await device.compile(fn, signature);
        const wanted = await compiled.run({ params: params!, ...feeds });
        const tensors = Object.entries(feeds).map((
          [input, data],
        ) => [
          input,
          new ort.Tensor(signature[input]!.dtype as "float32", data as Float32Array, signature[input]!.shape),
        ]);
        const { output } = await session.run(Object.fromEntries(tensors));
        assertEquals(output!.dims, [batch, 12, 8, 3]);
        assertCloseArrays(output!.data as Float32Array<ArrayBuffer>, wanted["output"]!, TOLERANCE);
      }
    } finally {
      await device.dispose();
      await session.release();
    }
    const { graph, metadataProps, opsetImport } = onnxProto.onnx.ModelProto.decode(model);
    const operators = new Set(graph!.node!.map(({ domain }) => domain));
    assertEquals([...operators], [""]);
    assertEquals(metadataProps!.map(({ key, value }) => [key, value]), Object.entries(METADATA));
    assertEquals(opsetImport!.length > 0, true);
    const dimension = graph!.input![0]!.type!.tensorType!.shape!.dim![0]!;
    assertEquals(dimension.dimParam, "batch");
    // A weight has its own name.
    assertEquals(graph!.initializer!.some(({ name }) => name === "params/0"), true);
  });
}

Deno.test("what no model for all batches can hold is refused, with the line that computes it", async () => {
  await tf.setBackend("cpu");
  const each = (batch: number): Signature => ({ x: float32(batch, 2) });
  const said = async (fn: PureFunction) => (await assertRejects(() => exported(fn, each), CompileError)).message;
  const table: PureFunction = ({ x }) => ({ y: tf.mul(x!, tf.reshape(tf.range(0, x!.shape[0]!), [-1, 1])) });
  assertMatch(
    await said(table),
    /Cannot compile "f": .*onnx_export_test\.ts:\d+:\d+\): it depends on the number of im/,
  );
  const square: PureFunction = ({ x }) => {
    const squares = tf.reshape(tf.tile(x!, [x!.shape[0]!, 1]), [-1]);
    return { y: tf.tanh(squares) };
  };
  assertMatch(await said(square), /onnx_export_test\.ts:\d+:\d+\): it depends .*Fix: write it so that each image/);
  // The number itself is computed, also where it is only multiplied.
  const mean: PureFunction = ({ x }) => ({ y: tf.tile(tf.sum(x!, 0, true), [x!.shape[0]!, 1]) });
  const session = await createSession(await exported(mean, each), 1);
  const { y } = await session.run({ x: new ort.Tensor("float32", Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), [4, 2]) });
  assertEquals([...y!.data as Float32Array], [16, 20, 16, 20, 16, 20, 16, 20]);
  await session.release();
});
