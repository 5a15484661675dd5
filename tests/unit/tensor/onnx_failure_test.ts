import * as tf from "@tensorflow/tfjs-core";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { HostTensors, PureFunction, Signature } from "../../../tensor/device.ts";
import { openOnnxDevice } from "../../../tensor/onnx/device.ts";
import { float32, int32 } from "../../support/tensors.ts";

async function compileMessage(fn: PureFunction, inputs: Signature = { x: float32(2, 3) }): Promise<string> {
  const device = await openOnnxDevice({ threads: 1 });
  const error = await assertRejects(() => device.compile(fn, inputs, { label: "train step" }), Error);
  await device.dispose();
  return error.message;
}

async function runMessage(feeds: HostTensors, into?: HostTensors): Promise<string> {
  const device = await openOnnxDevice({ threads: 1 });
  const inputs = { x: float32(2, 3), i: int32(2) };
  const compiled = await device.compile(({ x, i }) => ({ y: tf.neg(x!), j: tf.neg(i!) }), inputs, { label: "sample" });
  const error = await assertRejects(() => compiled.run(feeds, into), Error);
  await device.dispose();
  return error.message;
}

/** `file:///…/onnx_failure_test.ts:<line>:<column>` */
const HERE = String.raw`file:\/\/\/\S+onnx_failure_test\.ts:\d+:\d+`;

Deno.test("compile() names op, label and line when an op has no translation", async () => {
  assertMatch(
    await compileMessage(({ x }) => ({ y: tf.cumsum(x!) })),
    new RegExp(
      `^Cannot compile "train step": TF\\.js op "Cumsum" has no ONNX translation \\(called at ${HERE}\\)\\. Fix: write it`,
    ),
  );
});

Deno.test("compile() names op and line when the gradient of an op is out of reach", async () => {
  const message = await compileMessage(
    ({ x }) => ({ y: tf.grad((x) => tf.avgPool(x as tf.Tensor4D, 3, 1, "same"))(x!) }),
    { x: float32(1, 6, 6, 2) },
  );
  assertMatch(message, new RegExp(`"AvgPoolGrad": .* windows that tile the image \\(called at ${HERE}\\)`));
});

Deno.test("compile() explains itself when tensor data is read", async () => {
  const wanted = new RegExp(
    `^Cannot compile "train step": tensor data is read .* \\(called at ${HERE}\\)\\. Fix: return`,
  );
  assertMatch(await compileMessage(({ x }) => ({ y: tf.mul(x!, x!.dataSync()[0]!) })), wanted);
  const asynchronous: PureFunction = ({ x }) => {
    x!.data().then(() => {});
    return { y: x! };
  };
  assertMatch(await compileMessage(asynchronous), wanted);
});

Deno.test("compile() passes on what the function throws, with its line", async () => {
  const misfits: PureFunction[] = [
    () => {
      throw new TypeError("my own");
    },
    ({ x }) => ({ y: tf.matMul(x!, x!) }),
    ({ x }) => ({ y: tf.add(x!, tf.ones([2])) }),
    ({ x }) => ({ y: tf.reshape(x!, [4]) }),
    ({ x }) => ({ y: tf.concat([x!, tf.ones([2])], 0) }),
    ({ x }) => ({ y: tf.slice(x!, [0, 1], [2, 3]) }),
  ];
  for (const fn of misfits) {
    const wanted = new RegExp(`^Cannot compile "train step": the function threw ".+" \\(at ${HERE}\\)$`);
    assertMatch(await compileMessage(fn), wanted);
  }
});

Deno.test("compile() rejects results that are not tensors it can return", async () => {
  const broken = (result: unknown) => (() => result) as unknown as PureFunction;
  assertEquals(
    await compileMessage(broken({ y: 3 })),
    'Cannot compile "train step": output "y" is not a tensor: got number. Fix: return { y: tensor }.',
  );
  assertMatch(await compileMessage(broken(Promise.resolve({}))), /the function is asynchronous/);
  assertMatch(await compileMessage(broken({})), /it returns no tensor/);
  assertMatch(
    await compileMessage(({ x }) => ({ y: tf.greater(x!, 0) })),
    /output "y" must be float32 or int32: got bool/,
  );
});

Deno.test("compile() rejects shapes that are not positive integers", async () => {
  const message = await compileMessage(({ x }) => ({ x: x! }), { x: float32(2, -1) });
  assertEquals(message, 'Cannot compile "train step": the shape of input "x" must hold positive integers: got [2, -1]');
});

Deno.test("run() rejects arrays that do not fit", async () => {
  const x = new Float32Array(6);
  const i = new Int32Array(2);
  const memory = new Float32Array(12);
  assertEquals(await runMessage({ x }), 'Cannot run "sample": feed "i" is missing');
  assertEquals(await runMessage({ x, i, z: x }), 'Cannot run "sample": there is no feed "z". Fix: use "x", "i".');
  assertEquals(
    await runMessage({ x: new Float32Array(5), i }),
    'Cannot run "sample": feed "x" must be Float32Array of 6 ([2,3]): got Float32Array of 5',
  );
  assertEquals(
    await runMessage({ x, i: new Float32Array(2) }),
    'Cannot run "sample": feed "i" must be Int32Array of 2 ([2]): got Float32Array of 2',
  );
  assertEquals(await runMessage({ x, i }, { k: x }), 'Cannot run "sample": there is no output "k". Fix: use "y", "j".');
  assertEquals(
    await runMessage({ x: memory.subarray(0, 6), i }, { y: memory.subarray(5, 11) }),
    'Cannot use "sample": "y" shares memory with "x". Fix: give it an array of its own.',
  );
});

Deno.test("run() and compile() reject use after dispose()", async () => {
  const device = await openOnnxDevice({ threads: 1 });
  const compiled = await device.compile(({ x }) => ({ x: x! }), { x: float32(1) }, { label: "sample" });
  await device.dispose();
  await device.dispose();
  await assertRejects(() => compiled.run({ x: new Float32Array(1) }), Error, "has been disposed of");
  await assertRejects(() => device.compile(({ x }) => ({ x: x! }), { x: float32(1) }), Error, "has been disposed of");
});

Deno.test("openOnnxDevice() rejects a number of threads that is none", async () => {
  await assertRejects(() => openOnnxDevice({ threads: 0 }), RangeError, "threads must be a positive integer: got 0");
});

Deno.test("run() names the function when the engine fails", async () => {
  const device = await openOnnxDevice({ threads: 1 });
  const inputs = { x: float32(2), i: int32(1) };
  const compiled = await device.compile(({ x, i }) => ({ y: tf.gather(x!, i!) }), inputs, { label: "pick" });
  const feeds = { x: new Float32Array(2), i: Int32Array.of(5) };
  await assertRejects(() => compiled.run(feeds), Error, 'Cannot run "pick": ');
  await device.dispose();
});
