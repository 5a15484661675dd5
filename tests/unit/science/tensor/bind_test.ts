import * as tf from "@tensorflow/tfjs-core";
import * as ort from "onnxruntime-node";
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Device, PureFunction, Signature } from "../../../../science/tensor/device.ts";
import { openEagerDevice } from "../../../../science/tensor/eager_device.ts";
import { openOnnxDevice } from "../../../../science/tensor/onnx/device.ts";
import { float32, int32 } from "../../../support/tensors.ts";

const inputs: Signature = { state: float32(3), scale: float32(3), x: float32(3) };

/** state' = state scale + x; also the sum of the old state. */
const step: PureFunction = ({ state, scale, x }) => ({
  state: tf.add(tf.mul(state!, scale!), x!),
  sum: tf.sum(state!),
});

const devices: [string, () => Promise<Device>][] = [
  ["onnx", () => openOnnxDevice({ threads: 2 })],
  ["an eager backend", () => openEagerDevice({ name: "cpu", numerics: "cpu", backend: "cpu" })],
];

for (const [name, open] of devices) {
  Deno.test(`bind() carries what an output of the same name replaces, on ${name}`, async () => {
    const device = await open();
    const compiled = await device.compile(step, inputs);
    const bound = await compiled.bind({ state: Float32Array.of(1, 2, 3), scale: Float32Array.of(2, 2, 2) });
    const x = Float32Array.of(1, 0, -1);
    assertEquals(await bound.run({ x }), { sum: Float32Array.of(6) });
    const sum = new Float32Array(1);
    const results = await bound.run({ x }, { sum });
    assert(results["sum"] === sum);
    // 2 (2 s + x) + x
    assertEquals(await bound.read(["state"]), { state: Float32Array.of(7, 8, 9) });
    assertEquals(Object.keys(await bound.read()), ["state", "scale"]);
    assertEquals(sum[0], 3 + 4 + 5);

    const other = await compiled.bind({ state: new Float32Array(3) });
    await other.run({ x, scale: Float32Array.of(1, 1, 1) });
    assertEquals(await other.read(), { state: x });
    assertEquals((await bound.read(["state"]))["state"], Float32Array.of(7, 8, 9));
    await bound.dispose();
    await assertRejects(() => bound.run({ x }), Error, "disposed");
    await device.dispose();
  });

  Deno.test(`a bound function runs calls that overlap one after the other, on ${name}`, async () => {
    const device = await open();
    const compiled = await device.compile(({ p }) => ({ p: tf.mul(p!, 2), k: tf.mul(p!, 1) }), { p: float32(1) });
    const bound = await compiled.bind({ p: Float32Array.of(1) });
    const [a, b, state] = await Promise.all([bound.run({}), bound.run({}), bound.read()]);
    assertEquals([a["k"], b["k"], state["p"]], [Float32Array.of(1), Float32Array.of(2), Float32Array.of(4)]);
    await bound.dispose();
    await bound.dispose();
    await device.dispose();
  });

  Deno.test(`a function may return a tensor that it has from outside, on ${name}`, async () => {
    await tf.setBackend("cpu");
    const outside = tf.tensor1d([5]);
    const device = await open();
    const compiled = await device.compile(({ x }) => ({ y: tf.add(x!, outside), outside }), { x: float32(1) });
    for (let i = 0; i < 2; i++) {
      assertEquals(await compiled.run({ x: Float32Array.of(i) }), {
        y: Float32Array.of(5 + i),
        outside: Float32Array.of(5),
      });
    }
    await device.dispose();
    outside.dispose();
  });

  Deno.test(`bind() refuses values that do not fit, on ${name}`, async () => {
    const device = await open();
    const compiled = await device.compile(({ a }) => ({ a: tf.sum(a!) }), { a: float32(4) });
    await assertRejects(() => compiled.bind({ b: new Float32Array(4) }), Error, 'there is no feed "b"');
    await assertRejects(() => compiled.bind({ a: new Float32Array(3) }), Error, "must be Float32Array of 4");
    await assertRejects(
      () => compiled.bind({ a: new Float32Array(4) }),
      Error,
      'Cannot hold "a" of "function": its input is float32 [4] and its output float32 []',
    );
    const pair = await device.compile(({ a, b }) => ({ a: tf.add(a!, b!) }), { a: float32(2), b: float32(2) });
    const shared = new Float32Array(2);
    await assertRejects(() => pair.bind({ a: shared, b: shared }), Error, '"a" shares memory with "b"');
    const bound = await pair.bind({ a: shared });
    await assertRejects(() => bound.read(["b"]), Error, 'Cannot read "b" of "function": it is not held. Fix: use "a".');
    await device.dispose();
  });
}

Deno.test("an input may have any name, beside what a binding makes of others", async () => {
  const device = await openOnnxDevice({ threads: 1 });
  const inputs = { "prepared:0": float32(2), w: float32(2) };
  const compiled = await device.compile((all) => ({ y: tf.add(all["prepared:0"]!, tf.exp(all["w"]!)) }), inputs);
  const bound = await compiled.bind({ w: Float32Array.of(0, 0) });
  assertEquals(await bound.run({ "prepared:0": Float32Array.of(1, 2) }), { y: Float32Array.of(2, 3) });
  await device.dispose();
});

/** Counts ONNX Runtime's sessions that are made and not released while `body` runs. */
async function sessionsLeft(body: () => Promise<void>): Promise<number> {
  const create = ort.InferenceSession.create;
  let left = 0;
  ort.InferenceSession.create = (async (...args: Parameters<typeof create>) => {
    const session = await create.apply(ort.InferenceSession, args);
    const release = session.release.bind(session);
    left++;
    session.release = () => {
      left--;
      return release();
    };
    return session;
  }) as typeof create;
  try {
    await body();
  } finally {
    ort.InferenceSession.create = create;
  }
  return left;
}

Deno.test("a binding whose fixed values do not fit leaves no session behind", async () => {
  const inputs = { x: float32(2), table: float32(3), rows: int32(2) };
  const fn: PureFunction = ({ x, table, rows }) => ({ y: tf.add(x!, tf.exp(tf.gather(table!, rows!))) });
  const left = await sessionsLeft(async () => {
    const device = await openOnnxDevice({ threads: 1 });
    const compiled = await device.compile(fn, inputs);
    const fixed = { table: Float32Array.of(1, 2, 3), rows: Int32Array.of(0, 9) };
    await assertRejects(() => compiled.bind(fixed), Error, "indices");
    const bound = await compiled.bind({ ...fixed, rows: Int32Array.of(0, 2) });
    assertEquals((await bound.run({ x: Float32Array.of(0, 0) }))["y"], Float32Array.of(Math.exp(1), Math.exp(3)));
    await device.dispose();
  });
  assertEquals(left, 0);
});

Deno.test("a binding that is made while the function is disposed of is refused, and leaves no session", async () => {
  const left = await sessionsLeft(async () => {
    const device = await openOnnxDevice({ threads: 1 });
    const compiled = await device.compile(step, inputs);
    const bound = compiled.bind({ scale: new Float32Array(3) });
    const refused = assertRejects(() => bound, Error, "disposed of");
    await compiled.dispose();
    await refused;
    await device.dispose();
  });
  assertEquals(left, 0);
});
