import * as tf from "@tensorflow/tfjs-core";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { HostTensors, PureFunction, Signature } from "../../../../science/tensor/device.ts";
import { attend, dense, norm, silu, upsample } from "../../../../science/diffusion/layers.ts";
import { openOnnxDevice } from "../../../../science/tensor/onnx/device.ts";
import { callerOf } from "../../../../science/tensor/trace/failure.ts";
import { float32, int32 } from "../../../support/tensors.ts";

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

Deno.test("compile() names op, label and line of an op that is refused, with the reason and what to use instead", async () => {
  assertMatch(
    await compileMessage(({ x }) => ({ y: tf.topk(x!, 2).values })),
    new RegExp(
      `^Cannot compile "train step": TF\\.js op "TopK": it has no gradient \\(called at ${HERE}\\)\\. Fix: use`,
    ),
  );
});

Deno.test("compile() refuses a tensor that no machine has memory for, even if an engine could show it without", async () => {
  assertMatch(
    await compileMessage(({ x }) => ({ y: tf.sum(tf.tile(x!, [2 ** 20, 2 ** 20])) })),
    // As `stages/shared/out_of_memory.ts` recognises it.
    new RegExp(
      `op "Tile": can't allocate memory for its result \\[2097152,3145728\\] \\(called at ${HERE}\\)\\. Fix: compute`,
    ),
  );
});

const LAYERS: Readonly<Record<string, readonly [gradient: string, (x: tf.Tensor) => tf.Tensor]>> = {
  silu: ["NoiselineSiluGradient", silu],
  norm: ["NoiselineGroupNormGradient", (x) => norm({ "n.scale": tf.ones([4]), "n.bias": tf.zeros([4]) }, "n", x)],
  attend: ["NoiselineAttentionGradient", (x) => attend(tf.squeeze(x, [0]), tf.squeeze(x, [0]), tf.squeeze(x, [0]))],
  upsample: ["NoiselineUpsampleGradient", upsample],
};
for (const [layer, [gradient, compute]] of Object.entries(LAYERS)) {
  Deno.test(`compile() refuses a second derivative through ${layer} by name`, async () => {
    const first = (x: tf.Tensor) => tf.grad((x: tf.Tensor) => tf.sum(tf.square(compute(x))))(x);
    const second = tf.grad((x: tf.Tensor) => tf.sum(tf.square(first(x))));
    const message = await compileMessage(({ x }) => ({ y: second(x!) }), { x: float32(1, 2, 2, 4) });
    assertMatch(message, new RegExp(`gradient function not found for ${gradient}\\..* called at ${HERE}\\.$`));
  });
}

Deno.test("compile() names op and line when there is no gradient, or none for such a call", async () => {
  const lineOf = (call: string) => new RegExp(`This is in the gradient of TF\\.js op "${call}", called at ${HERE}\\.$`);
  const strided = (x: tf.Tensor) => tf.stridedSlice(x, [0], [2], [2]);
  const missing = await compileMessage(({ x }) => ({ y: tf.grad((x) => strided(tf.square(x)))(x!) }));
  assertMatch(missing, /gradient function not found for StridedSlice/);
  assertMatch(missing, lineOf("StridedSlice"));
  const own = Number(/onnx_failure_test\.ts:(\d+):\d+\.$/.exec(missing)![1]);
  assertMatch((await Deno.readTextFile(new URL(import.meta.url))).split("\n")[own - 1]!, /const strided/);

  const dilated = (x: tf.Tensor) => tf.conv2d(x as tf.Tensor4D, tf.ones([3, 3, 2, 2]), 1, "same", "NHWC", 2);
  const message = await compileMessage(({ x }) => ({ y: tf.grad(dilated)(x!) }), { x: float32(1, 6, 6, 2) });
  assertMatch(message, /dilation rates greater than 1 are not yet supported/);
  assertMatch(message, lineOf("Conv2D"));

  // Nobody knows which of several calls it is, so all are named.
  const twice = (x: tf.Tensor) => {
    const plain = tf.conv2d(x as tf.Tensor4D, tf.ones([3, 3, 2, 2]), 1, "same");
    return dilated(plain);
  };
  assertMatch(
    await compileMessage(({ x }) => ({ y: tf.grad(twice)(x!) }), { x: float32(1, 6, 6, 2) }),
    new RegExp(`op "Conv2D", called at ${HERE} or ${HERE}\\.$`),
  );

  const bare = (x: tf.Tensor) => tf.batchNorm(x as tf.Tensor2D, tf.zeros([3]), tf.ones([3]));
  assertMatch(await compileMessage(({ x }) => ({ y: tf.grad(bare)(x!) })), /give it a scale of ones" \(at file/);
});

Deno.test("compile() refuses volumes of which windows leave out pixels, where TF.js pads otherwise than it says", async () => {
  const inputs = { x: float32(1, 4, 5, 3, 2) };
  for (
    const fn of [
      ({ x }) => ({ y: tf.conv3d(x as tf.Tensor5D, tf.ones([2, 2, 2, 2, 2]), 3, "same") }),
      ({ x }) => ({ y: tf.avgPool3d(x as tf.Tensor5D, 2, 3, "same") }),
    ] satisfies PureFunction[]
  ) {
    assertMatch(
      await compileMessage(fn, inputs),
      /TF\.js op "\w+3D": padding "same" with strides \[3,3,3\] \(called at/,
    );
  }
});

Deno.test("compile() names the innermost line outside of the toolkit, and in it the innermost that is of no engine", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/plugin.ts`;
    await Deno.writeTextFile(
      file,
      "// deno-lint-ignore-file\nexport const forward = (layer: any, ...args: any[]) => layer(...args);\n",
    );
    const { forward } = await import(`file://${file}`);
    const params = { "layer.kernel": tf.ones([7, 2]), "layer.bias": tf.ones([2]) };
    const message = await compileMessage(({ x }) => ({ y: forward(dense, params, "layer", x) }));
    assertMatch(message, new RegExp(`\\(at file://\\S+/plugin\\.ts:2:\\d+\\)$`));
    for (const tensor of Object.values(params)) tensor.dispose();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const [package_, engine, layer, script] = [
    "npm/registry.x/y/z.js",
    "science/tensor/implementations.ts",
    "science/diffusion/layers.ts",
    "a.ts",
  ];
  const root = new URL("../../../../", import.meta.url).href;
  const error = new Error();
  const stack = (...places: string[]) => `Error\n${places.map((place) => `    at f (${place}:1:2)`).join("\n")}`;
  error.stack = stack(`file:///cache/${package_}`, root + engine, root + layer);
  assertEquals(callerOf(error), `${root}${layer}:1:2`);
  error.stack = stack(
    `file:///cache/${package_}`,
    root + engine,
    root + layer,
    `file:///home/me/${script}`,
    root + layer,
  );
  assertEquals(callerOf(error), `file:///home/me/${script}:1:2`);
  error.stack = stack(root + engine, root + layer, `${root}pipelines/research/dit.ts`);
  assertEquals(callerOf(error), `${root}pipelines/research/dit.ts:1:2`);
  error.stack = stack(root + engine);
  assertEquals(callerOf(error), undefined);
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
