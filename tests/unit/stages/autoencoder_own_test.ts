import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import { makeAutoencoder } from "../../../science/diffusion/autoencoder/autoencoder.ts";
import { autoencoderLossParams } from "../../../science/diffusion/autoencoder/loss_params.ts";
import { type AutoencoderCode, defineAutoencoder, type ImageSizes } from "../../../science/diffusion/define.ts";
import { describeProblem } from "../../../stages/shared/checks.ts";
import { checkAutoencoderCode } from "../../../stages/shared/autoencoder_checks.ts";
import { tryBuild } from "../../../stages/shared/definition_checks.ts";
import { checkAutoencoder } from "../../../package/testing/definitions.ts";
import { none } from "./own_definitions.ts";

const SIZES: ImageSizes = { height: 4, width: 6, channels: 2 };
const LATENT: ImageSizes = { height: 2, width: 3, channels: 8 };

/** Moves squares of two by two pixels to the channels, and back. */
const squares = (x: tf.Tensor) =>
  tf.reshape(tf.transpose(tf.reshape(x, [-1, 2, 2, 3, 2, 2]), [0, 1, 3, 2, 4, 5]), [-1, 2, 3, 8]);
const pixels = (z: tf.Tensor) =>
  tf.reshape(tf.transpose(tf.reshape(z, [-1, 2, 3, 2, 2, 2]), [0, 1, 3, 2, 4, 5]), [-1, 4, 6, 2]);
const mean = (x: tf.Tensor) => tf.mean(x, x.shape.map((_, axis) => axis).slice(1));

const SOUND: AutoencoderCode = {
  parameters: [{ name: "encoder.scale", shape: [8], init: "ones" }, {
    name: "codebook.shift",
    shape: [],
    init: "zeros",
  }],
  latent: LATENT,
  encode({ weights, x }) {
    const z = tf.mul(squares(x), weights["encoder.scale"]!);
    return { mean: z, logVariance: tf.mul(z, 0) };
  },
  quantize: ({ weights, z }) => {
    const moved = tf.add(z, weights["codebook.shift"]!);
    return { z: moved, losses: { shift: mean(tf.square(moved)) } };
  },
  decode: ({ z }) => pixels(z),
};

async function problemsOf(code: object): Promise<string[]> {
  const sound: AutoencoderCode = { ...SOUND, ...code };
  const built = tryBuild(() => sound, (code) => makeAutoencoder(SIZES, code));
  if ("problem" in built) return [describeProblem(built.problem)];
  const problems = await checkAutoencoderCode(built.value, autoencoderLossParams.parse({}));
  return problems.map((one) => `${describeProblem(one)}${one.fix === undefined ? "" : ` | ${one.fix}`}`);
}

Deno.test("a sound autoencoder has no problems, with and without what is optional", async () => {
  assertEquals(await problemsOf({}), []);
  const [scale] = SOUND.parameters;
  assertEquals(await problemsOf({ quantize: undefined, parameters: [scale] }), []);
  const encode: AutoencoderCode["encode"] = (inputs) => ({ mean: SOUND.encode(inputs).mean });
  assertEquals(await problemsOf({ encode }), []);
  const loss: AutoencoderCode["loss"] = ({ x, reconstruction, stopGradient }) => ({
    near: mean(tf.abs(tf.sub(stopGradient(x), reconstruction))),
    far: mean(tf.square(reconstruction)),
  });
  assertEquals(await problemsOf({ loss }), []);
  const bijection: AutoencoderCode = {
    parameters: [],
    latent: LATENT,
    encode: ({ x }) => ({ mean: squares(x) }),
    decode: ({ z }) => pixels(z),
  };
  await checkAutoencoder(defineAutoencoder({ params: none, build: () => bijection }), { images: SIZES });
  await checkAutoencoder(defineAutoencoder({ params: none, build: () => SOUND }), { images: SIZES, devices: ["onnx"] });
});

const { encode, quantize } = SOUND;
const random = () => Math.random();

/** One slip each, and the beginning of the one message that it gives. */
const SLIPS: readonly (readonly [slip: string, code: object, message: string])[] = [
  [
    "no encoder",
    { encode: 3 },
    "What build gives: got object and number and function, wanted the parameters as a list",
  ],
  ["no size of latents", { latent: { height: 2, width: 1.5, channels: 8 } }, "Size of the latents: got 2x1.5x8"],
  [
    "latents of another size",
    { encode: (inputs: never) => ({ mean: tf.slice(encode(inputs).mean, [0, 0, 0, 0], [-1, -1, -1, 2]) }) },
    "mean of encode: got [2, 2, 3, 2], wanted a tensor [2, 2, 3, 8]",
  ],
  [
    "a log variance of another shape",
    { encode: (inputs: never) => ({ ...encode(inputs), logVariance: tf.zeros([2, 1]) }) },
    "logVariance of encode: got [2, 1], wanted a tensor [2, 2, 3, 8]",
  ],
  [
    "moments that are a tensor",
    { encode: ({ x }: never) => squares(x) },
    "mean of encode: got undefined, wanted a tensor",
  ],
  [
    "an encoder that draws random numbers",
    { encode: (inputs: never) => ({ mean: tf.mul(encode(inputs).mean, random()) }) },
    "two traces of what encode gives differ: the code is no pure function",
  ],
  [
    "an encoder that mixes images",
    { encode: (inputs: never) => ({ mean: tf.sub(encode(inputs).mean, tf.mean(encode(inputs).mean, 0, true)) }) },
    "what encode gives for an image depends on the others of its batch",
  ],
  [
    "a batch size that is written down",
    { encode: (inputs: never) => ({ mean: tf.reshape(encode(inputs).mean, [2, 2, 3, 8]) }) },
    '"what encode gives for a batch of 3": the function threw "Size(144) must match the product of shape 2,2,3,8"',
  ],
  [
    "a quantizer of another shape",
    { quantize: (inputs: never) => ({ ...quantize!(inputs), z: tf.zeros([2, 2]) }) },
    "the shape of the z that quantize gives, for a batch of 2: got float32 [2, 2], wanted float32 [2, 2, 3, 8]",
  ],
  [
    "a term of a quantizer that is one number",
    { quantize: ({ weights, z }: never) => ({ z, losses: { shift: tf.square(weights["codebook.shift"]) } }) },
    "shift of the loss: got [], wanted a tensor [2]",
  ],
  ["a decoder of another shape", { decode: ({ z }: never) => z }, "the shape of what decode gives, for a batch of 2"],
  ["a decoder that waits", { decode: async ({ z }: never) => await pixels(z) }, "what decode gives: got a promise"],
  [
    "a parameter without effect",
    { quantize: undefined },
    "the loss does not depend on 1 of 2 parameters, such as codebook.shift",
  ],
  [
    "a parameter of another name",
    { decode: ({ z, weights }: never) => tf.mul(pixels(z), weights["codebook.shft"]) },
    'there is no parameter "codebook.shft" | did you mean "codebook.shift"?',
  ],
  ["a loss that is a tensor", { loss: ({ x }: never) => mean(x) }, "of the loss: got"],
  [
    "a term without an image's loss",
    { loss: ({ x, reconstruction }: never) => ({ error: tf.mean(tf.sub(x, reconstruction)) }) },
    "error of the loss: got [], wanted a tensor [2]",
  ],
  [
    "an operation without a gradient",
    { decode: ({ z }: never) => pixels(tf.cast(tf.topk(z, 8).values, "float32")) },
    "TopK",
  ],
];

for (const [slip, code, message] of SLIPS) {
  Deno.test(`an autoencoder is refused with one message: ${slip}`, async () => {
    const problems = await problemsOf(code);
    assertEquals(problems.length, 1, problems.join("\n"));
    assertStringIncludes(problems[0]!, message);
  });
}

Deno.test("an error of build and of a definition without it says where it is", async () => {
  const definition = defineAutoencoder({
    params: none,
    build(): AutoencoderCode {
      throw new RangeError("Images of 4x6: wanted square ones");
    },
  });
  const built = tryBuild(() => definition.build(SIZES, {}), (code) => makeAutoencoder(SIZES, code));
  assert("problem" in built && built.problem.message.startsWith("Images of 4x6: wanted square ones (at "));
  const lost = { ...SOUND, quantize: undefined };
  const check = checkAutoencoder(defineAutoencoder({ params: none, build: () => lost as never }), { images: SIZES });
  await assertRejects(() => check, Error, "The autoencoder fails 1 check:\n- the loss does not depend on 1 of 2");
  let thrown = "";
  try {
    defineAutoencoder({ params: none } as never);
  } catch (error) {
    thrown = `${error}`;
  }
  assertEquals(thrown, "TypeError: Definition of the autoencoder: got none, wanted a function build");
});
