import { assert, assertEquals, assertThrows } from "@std/assert";
import { type UnetConfig, validateUnetConfig } from "../../../../science/diffusion/unet/config.ts";
import { packParameters, sizeOf, unpackParameters } from "../../../../science/diffusion/network.ts";
import { unetParameterSpecs } from "../../../../science/diffusion/unet/plan.ts";
import { startOf, unetOf } from "../../../support/unet.ts";
import { assertClose } from "./assert_close.ts";
import { PseudoRandom } from "./pseudo_random.ts";

const config = (
  channels: number,
  multipliers: number[],
  blocks: number,
  image: { size: number; depth: number; attention: number[] },
): UnetConfig => ({
  imageSize: image.size,
  inChannels: image.depth,
  outChannels: image.depth,
  channels,
  multipliers,
  blocks,
  attention: image.attention,
});

const TINY = config(4, [1, 2], 1, { size: 4, depth: 1, attention: [2] });
const NETWORK = unetOf(TINY);

const countOf = (config: UnetConfig) => unetOf(config).count;

Deno.test("a U-Net has the paper's size when the network is the paper's", () => {
  // Ho et al. 2020 print 35.7 million and 114 million; the exact counts are those of hojonathanho/diffusion's unet.py.
  const cifar10 = config(128, [1, 2, 2, 2], 2, { size: 32, depth: 3, attention: [16] });
  assertEquals(countOf(cifar10), 35_746_307);
  // The learned-variance form has twice the output channels: 3 (9 * 128 + 1) more.
  assertEquals(countOf({ ...cifar10, outChannels: 6 }), 35_749_766);
  // The same network for images of one channel.
  assertEquals(countOf({ ...cifar10, inChannels: 1, outChannels: 1 }), 35_741_697);
  const celeba = config(128, [1, 1, 2, 2, 4, 4], 2, { size: 256, depth: 3, attention: [16] });
  assertEquals(countOf(celeba), 113_673_219);
});

Deno.test("a U-Net has the reference size when the network is narrow", () => {
  // The same code of hojonathanho/diffusion with other sizes, counted once in Python.
  const sizes: [UnetConfig, number][] = [
    [config(32, [1, 2], 1, { size: 8, depth: 1, attention: [4] }), 701_345],
    [config(32, [1, 2], 1, { size: 16, depth: 3, attention: [8] }), 702_499],
    [config(32, [1, 2, 2], 2, { size: 28, depth: 1, attention: [14] }), 1_623_169],
    [config(32, [1, 2, 2], 2, { size: 32, depth: 3, attention: [16] }), 1_624_323],
    [config(64, [1, 2, 2, 2], 2, { size: 32, depth: 3, attention: [16] }), 8_952_067],
  ];
  for (const [network, count] of sizes) assertEquals(countOf(network), count);
});

Deno.test("unetParameterSpecs() names each parameter once", () => {
  const names = unetParameterSpecs(TINY).map((spec) => spec.name);
  assertEquals(new Set(names).size, names.length);
  assertEquals(names.slice(0, 2), ["time.dense1.kernel", "time.dense1.bias"]);
  assertEquals(names.slice(-2), ["conv_out.kernel", "conv_out.bias"]);
});

Deno.test("validateUnetConfig() lists the sizes that work when a size does not fit", () => {
  assertEquals(validateUnetConfig(TINY), []);
  const [problem] = validateUnetConfig(config(32, [1, 2, 2], 1, { size: 30, depth: 1, attention: [] }));
  assertEquals(problem, {
    field: "imageSize",
    got: "30",
    wanted: "a multiple of 4 for 3 levels, such as 28 or 32; 30 works with at most 2 levels",
  });
  const [absent] = validateUnetConfig(config(32, [1, 2, 2], 1, { size: 28, depth: 1, attention: [16, 14] }));
  assertEquals(absent, { field: "attention", got: "16", wanted: "resolutions of this network: 28, 14, 7" });
});

Deno.test("validateUnetConfig() reports each field when several are wrong", () => {
  const wrong: UnetConfig = { ...TINY, imageSize: 5, channels: 7, multipliers: [1, 2], classes: 0 };
  const fields = validateUnetConfig(wrong).map((problem) => problem.field);
  assertEquals(fields, ["classes", "channels", "imageSize"]);
  for (const attention of [[], [4]]) {
    assertEquals(validateUnetConfig({ ...TINY, multipliers: [], attention }).map(({ field }) => field), [
      "multipliers",
    ]);
  }
  assertEquals(validateUnetConfig({ ...TINY, channels: 2 })[0]?.field, "channels");
  assertThrows(() => unetParameterSpecs(wrong), RangeError, "channels: got 7, wanted an even integer >= 4");
});

Deno.test("initialParameters() scale each kind of parameter as the paper's code does", () => {
  const random = new PseudoRandom(1);
  const named = startOf(NETWORK, (count) => random.uniforms(count));
  const largest = (name: string) => named[name]!.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  // tf.variance_scaling, fan average, uniform: limit sqrt(3 scale / mean fan). The largest of 200 samples comes within
  // 2 percent.
  assertClose(largest("time.dense2.kernel"), Math.sqrt(3 / 16), { rel: 0.02 });
  assertClose(largest("middle.block.0.conv1.kernel"), Math.sqrt(3 / 72), { rel: 0.02 });
  assertClose(largest("middle.block.0.conv2.kernel"), Math.sqrt(3e-10 / 72), { rel: 0.02 });
  assertClose(largest("middle.attention.qkv.kernel"), Math.sqrt(3 / 8), { rel: 0.02 });
  assert(named["norm_out.scale"]!.every((x) => x === 1));
  assert(named["norm_out.bias"]!.every((x) => x === 0));
  assert(named["conv_in.bias"]!.every((x) => x === 0));
});

Deno.test("packParameters() and unpackParameters() are inverse when the parameters are arbitrary", () => {
  const flat = new PseudoRandom(2).symmetric(NETWORK.count);
  const named = unpackParameters(flat, NETWORK);
  for (const spec of unetParameterSpecs(TINY)) assertEquals(named[spec.name]!.length, sizeOf(spec));
  assertEquals(packParameters(named, NETWORK), flat);
});

Deno.test("packParameters() throws with the name when a parameter is missing, unknown or too short", () => {
  const named = unpackParameters(new Float32Array(NETWORK.count), NETWORK);
  const { "conv_in.bias": bias, ...rest } = named;
  assertThrows(() => packParameters(rest, NETWORK), RangeError, "conv_in.bias: got none");
  assertThrows(
    () => packParameters({ ...named, "conv_in.bias": bias!.slice(1) }, NETWORK),
    RangeError,
    "got 3, wanted 4",
  );
  assertThrows(() => packParameters({ ...named, other: bias! }, NETWORK), RangeError, "other: not in this network");
  assertThrows(() => unpackParameters(new Float32Array(5), NETWORK), RangeError, "got 5 numbers");
});
