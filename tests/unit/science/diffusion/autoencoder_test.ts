import { assert, assertEquals, assertThrows } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import "../../../../science/tensor/complete_tfjs.ts";
import { makeAutoencoder } from "../../../../science/diffusion/autoencoder/autoencoder.ts";
import {
  type AutoencoderConfig,
  autoencoderParams,
  checkAutoencoder,
  latentSizes,
  validateAutoencoder,
} from "../../../../science/diffusion/autoencoder/config.ts";
import { autoencoderTerms, drawLatents } from "../../../../science/diffusion/autoencoder/loss.ts";
import { autoencoderLossParams } from "../../../../science/diffusion/autoencoder/loss_params.ts";
import builtin from "../../../../science/diffusion/autoencoder/network.ts";
import { autoencoderParameterSpecs } from "../../../../science/diffusion/autoencoder/plan.ts";
import { nearestCodes, quantize } from "../../../../science/diffusion/autoencoder/quantize.ts";
import { countOf, initialParameters } from "../../../../science/diffusion/network.ts";
import { checkAutoencoder as checkCode } from "../../../../package/testing/definitions.ts";
import { openDevice } from "../../../../science/tensor/mod.ts";
import { PseudoRandom } from "./pseudo_random.ts";

tf.env().set("PROD", true);
await tf.setBackend("cpu");

const KL_F4: AutoencoderConfig = {
  kind: "kl",
  imageChannels: 3,
  channels: 128,
  multipliers: [1, 2, 4],
  blocks: 2,
  attention: [],
  latentChannels: 3,
};
const SMALL = { channels: 8, multipliers: [1, 2], blocks: 1, latentChannels: 2 };

const dropout = (h: tf.Tensor) => h;

/** Builds an autoencoder for images of a size, with random weights. */
function built(params: Partial<typeof autoencoderParams._zod.input>, [height, width, channels]: number[]) {
  const sizes = { height: height!, width: width!, channels: channels! };
  const autoencoder = makeAutoencoder(sizes, builtin.build(sizes, autoencoderParams.parse(params)));
  const random = new PseudoRandom(3);
  // Layers that start at zero would hide what comes before them.
  const weights = Object.fromEntries(autoencoder.parameters.map(({ name, shape }) => {
    const fanIn = shape.slice(0, -1).reduce((product, length) => product * length, 1);
    const numbers = random.symmetric(countOf([{ shape }])).map((one) => one * Math.sqrt(3 / fanIn));
    return [name, tf.tensor(numbers, [...shape])];
  }));
  const x = tf.tensor(random.symmetric(2 * height! * width! * channels!), [2, height!, width!, channels!]);
  return { autoencoder, weights, x };
}

Deno.test("an autoencoder has the reference number of parameters, in each of its parts", () => {
  // diffusers 0.42.1: the parameters of AutoencoderKL and VQModel of these sizes, with the 1x1 convolutions apart.
  const vq = { ...KL_F4, kind: "vq", codes: 8192 } as const;
  const cases: [AutoencoderConfig, Record<string, number>][] = [
    [KL_F4, { total: 55_312_063, encoder: 22_351_238, decoder: 32_960_771, convolutions: 54, codebook: 0 }],
    [
      { ...KL_F4, multipliers: [1, 2, 4, 4], latentChannels: 4 },
      { total: 83_653_863, encoder: 34_163_592, decoder: 49_490_179, convolutions: 92, codebook: 0 },
    ],
    [vq, { total: 55_322_782, encoder: 22_337_411, decoder: 32_960_771, convolutions: 24, codebook: 24_576 }],
  ];
  for (const [config, wanted] of cases) {
    const specs = autoencoderParameterSpecs(config);
    const count = (part: RegExp) => countOf(specs.filter(({ name }) => part.test(name)));
    assertEquals({
      total: count(/./),
      encoder: count(/^encoder\.(?!latent)/),
      decoder: count(/^decoder\.(?!latent)/),
      convolutions: count(/^(en|de)coder\.latent/),
      codebook: count(/^codebook/),
    }, wanted);
    assertEquals(new Set(specs.map(({ name }) => name)).size, specs.length);
  }
  const small = { ...KL_F4, channels: 32, multipliers: [1, 2, 2], blocks: 1, latentChannels: 4 };
  assertEquals(countOf(autoencoderParameterSpecs(small)), 954_567);
});

Deno.test("codes start uniform in [-1/n, 1/n]", () => {
  const { codes } = { codes: 16 };
  const specs = autoencoderParameterSpecs({ ...KL_F4, ...SMALL, kind: "vq", codes });
  const random = new PseudoRandom(1);
  const named = initialParameters({ parameters: specs }, (_, kind, count) => {
    assertEquals(kind, "uniform");
    return random.uniforms(count);
  });
  const numbers = named["codebook.codes"]!;
  const largest = numbers.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
  assert(largest <= 1 / codes && largest > 0.9 / codes, `${largest}`);
  assert(numbers.some((one) => one < 0));
});

Deno.test("latents have the sides of the images divided by the factor, and the channels that were asked for", () => {
  for (
    const [params, sides, latent] of [
      [{ ...SMALL }, [8, 8, 1], [4, 4, 2]],
      [{ ...SMALL, multipliers: [1], attention: [0] }, [3, 5, 3], [3, 5, 2]],
      [{ ...SMALL, multipliers: [1, 1, 2], embedChannels: 5 }, [8, 12, 3], [2, 3, 5]],
      [{ ...SMALL, kind: "vq", codes: 5, embedChannels: 3, attention: [1] }, [4, 8, 2], [2, 4, 3]],
    ] as const
  ) {
    const { autoencoder, weights, x } = built({ ...params } as Partial<typeof autoencoderParams._zod.input>, [
      ...sides,
    ]);
    const { mean, logVariance } = autoencoder.encode({ weights, x, dropout });
    assertEquals(mean.shape, [2, ...latent]);
    assertEquals(logVariance?.shape, "kind" in params ? undefined : [2, ...latent]);
    assertEquals(Object.values(autoencoder.latent), [...latent]);
    const z = autoencoder.quantize?.({ weights, z: mean }).z ?? mean;
    assertEquals(autoencoder.decode({ weights, z, dropout }).shape, [2, ...sides]);
  }
});

Deno.test("log variances are clamped to [-30, 20]", () => {
  const { autoencoder, weights, x } = built(SMALL, [4, 4, 1]);
  const numbers = [1e4, -1e4].flatMap((factor) => {
    const scaled = { ...weights, "encoder.latent.kernel": tf.mul(weights["encoder.latent.kernel"]!, factor) };
    return [...autoencoder.encode({ weights: scaled, x, dropout }).logVariance!.dataSync()];
  });
  assertEquals([Math.min(...numbers), Math.max(...numbers)], [-30, 20]);
});

Deno.test("latents are drawn from their Gaussians, and are the means without noise", () => {
  const [mean, logVariance, noise] = [[1, -2], [0, Math.log(9)], [2, -1]].map((row) => tf.tensor(row, [1, 1, 1, 2]));
  assertEquals([...drawLatents({ mean: mean!, logVariance: logVariance! }, noise).dataSync()], [3, -5]);
  assertEquals(drawLatents({ mean: mean!, logVariance: logVariance! }), mean);
  assertEquals(drawLatents({ mean: mean! }, noise), mean);
});

Deno.test("dropout reaches every block of encoder and decoder, and a decoder's parameters change no latent", () => {
  const { autoencoder, weights, x } = built({ ...SMALL, kind: "vq", codes: 5 }, [4, 4, 1]);
  let calls = 0;
  const counted = (h: tf.Tensor) => (calls++, h);
  const latents = autoencoder.encode({ weights, x, dropout: counted }).mean;
  // Two levels of one block and two in the middle; the decoder has one more on each level.
  assertEquals(calls, 4);
  autoencoder.decode({ weights, z: latents, dropout: counted });
  assertEquals(calls, 4 + 6);
  const changed = Object.fromEntries(
    Object.entries(weights).map(([name, one]) => [name, /^(decoder|codebook)\./.test(name) ? tf.add(one, 1) : one]),
  );
  assertEquals(autoencoder.encode({ weights: changed, x, dropout }).mean.dataSync(), latents.dataSync());
});

Deno.test("every problem of an autoencoder is reported, with what works", () => {
  const sizes = { height: 30, width: 32, channels: 3 };
  const params = autoencoderParams.parse({ kind: "vq", attention: [1, 3], groups: 48 });
  const title = "the autoencoder does not fit images of 30x32x3: model.";
  assertEquals(checkAutoencoder(sizes, params), [
    { param: ["codes"], message: `${title}codes`, got: "none", wanted: "the length of the codebook, such as 512" },
    { param: ["groups"], message: `${title}groups`, got: "48", wanted: "a divisor of channels, 128" },
    { param: ["attention"], message: `${title}attention`, got: "3", wanted: "levels from 0 to 2" },
    {
      param: ["multipliers"],
      message: `${title}multipliers`,
      got: "30",
      wanted: "a multiple of 4 for 3 levels, such as 28 or 32; 30 works with at most 2 levels",
    },
  ]);
  assertEquals(checkAutoencoder({ ...sizes, height: 4, width: 64 }, autoencoderParams.parse({})), []);
  assertEquals(validateAutoencoder({ ...KL_F4, codes: 4 }).map(({ wanted }) => wanted), ["none for kind kl"]);
  assertThrows(() => autoencoderParameterSpecs({ ...KL_F4, multipliers: [] }), RangeError, "multipliers: got none");
  assertEquals(latentSizes({ ...KL_F4, embedChannels: 7 }, { height: 16, width: 8, channels: 3 }), {
    height: 4,
    width: 2,
    channels: 7,
  });
});

Deno.test("code that is no autoencoder is refused by what it lacks", () => {
  const sizes = { height: 4, width: 4, channels: 1 };
  const code = builtin.build(sizes, autoencoderParams.parse(SMALL));
  const slips: [object, string][] = [
    [{ decode: undefined }, "got object and function and undefined, wanted the parameters as a list, and encode"],
    [{ parameters: undefined }, "got undefined and function and function"],
    [{ latent: undefined }, "Size of the latents: got undefinedxundefinedxundefined, wanted positive integers"],
    [{ latent: { ...code.latent, width: 0 } }, "Size of the latents: got 2x0x2"],
    [{ parameters: [...code.parameters, code.parameters[0]] }, "encoder.conv_in.kernel: got it twice"],
  ];
  for (const [slip, message] of slips) {
    assertThrows(() => makeAutoencoder(sizes, { ...code, ...slip } as never), RangeError, message);
  }
});

Deno.test("terms of a loss have names, and an autoencoder's own loss replaces them", () => {
  const { autoencoder, weights, x } = built({ ...SMALL, kind: "vq", codes: 5 }, [4, 4, 1]);
  const options = { ...autoencoderLossParams.parse({}), features: (images: tf.Tensor) => [images] };
  const terms = autoencoderTerms(autoencoder, { x, dropout }, weights, options);
  assertEquals(Object.keys(terms).sort(), ["codebook", "commitment", "perceptual", "reconstruction"]);
  for (const term of Object.values(terms)) assertEquals(term.shape, [2]);
  const quantizeLosses: string[] = [];
  const own = {
    ...autoencoder,
    loss(inputs: Parameters<NonNullable<typeof autoencoder.loss>>[0]) {
      quantizeLosses.push(...Object.keys(inputs.quantizeLosses));
      return { mine: tf.mean(tf.square(tf.sub(inputs.x, inputs.reconstruction)), [1, 2, 3]) };
    },
  };
  assertEquals(Object.keys(autoencoderTerms(own, { x, dropout }, weights, options)), ["mine"]);
  assertEquals(quantizeLosses, ["codebook", "commitment"]);
  const kl = built(SMALL, [4, 4, 1]);
  const ofKl = autoencoderTerms(kl.autoencoder, { x: kl.x, dropout }, kl.weights, {
    ...options,
    features: (images) => [tf.zerosLike(images)],
  });
  assertEquals(Object.keys(ofKl).sort(), ["kl", "perceptual", "reconstruction"]);
  assertEquals([...ofKl["perceptual"]!.dataSync()], [0, 0]);
});

Deno.test("a term of a quantizer that the built-in loss does not know counts as it is", () => {
  const { autoencoder, weights, x } = built({ ...SMALL, kind: "vq", codes: 5 }, [4, 4, 1]);
  const own = {
    ...autoencoder,
    quantize: ({ z }: { readonly z: tf.Tensor }) => ({ z, losses: { entropy: tf.tensor1d([3, 4]) } }),
  };
  const options = autoencoderLossParams.parse({ codebook: 7 });
  const terms = autoencoderTerms(own, { x, dropout }, weights, options);
  assertEquals(Object.keys(terms), ["entropy", "reconstruction"]);
  assertEquals([...terms["entropy"]!.dataSync()], [3, 4]);
});

/** Small integers, so that distances are exact. Position i has a code of its own as its nearest. */
const [CODES, BATCH, SIDE] = [8192, 3, 32];
const digits = (i: number) => [i % 32 - 16, Math.floor(i / 32) % 16 - 8, Math.floor(i / 512) - 8];
const ALL_CODES = Float32Array.from(Array.from({ length: CODES }, (_, i) => digits(i)).flat());
const CHOSEN = Array.from({ length: BATCH * SIDE * SIDE }, (_, i) => i * 2659 % CODES);

Deno.test("the nearest of 8,192 codes is found, counted and moved, exactly", async () => {
  const device = await openDevice("onnx");
  const fn = ({ z, codebook, step }: Record<string, tf.Tensor>) => {
    const { z: codes, losses, counts } = quantize(z!, codebook!);
    // One step away from a code, the gradient of the mean square by that code is -2 step / size for each choice.
    const gradient = tf.grad((codes) => quantize(tf.add(z!, step!), codes).losses["codebook"]!)(codebook!);
    return { codes, ...losses, counts: counts!, gradient };
  };
  const shapes = { z: [BATCH, SIDE, SIDE, 3], codebook: [CODES, 3], step: [3] };
  const signature = Object.entries(shapes).map(([name, shape]) =>
    [name, { shape, dtype: "float32" as const }] as const
  );
  const compiled = await device.compile(fn, Object.fromEntries(signature));
  const z = Float32Array.from(CHOSEN.flatMap(digits));
  const got = await compiled.run({ z, codebook: ALL_CODES, step: Float32Array.of(0.25, 0, 0) });
  await device.dispose();
  assertEquals(got["codes"], z);
  assertEquals([...got["codebook"]!, ...got["commitment"]!], new Array(2 * BATCH).fill(0));
  const times = new Array<number>(CODES).fill(0);
  for (const code of CHOSEN) times[code]!++;
  assertEquals([...got["counts"]!], times);
  const wanted = times.flatMap((count) => [-0.5 / (SIDE * SIDE * 3) * count, 0, 0]);
  got["gradient"]!.forEach((one, i) => assert(Math.abs(one - wanted[i]!) < 1e-9, `${i}: ${one}, wanted ${wanted[i]}`));
});

Deno.test("the table of distances to 8,192 codes is made in parts", async () => {
  const rows = tf.tensor2d(CHOSEN.flatMap(digits), [CHOSEN.length, 3]);
  const codebook = tf.tensor2d(ALL_CODES, [CODES, 3]);
  let indices: number[] = [];
  const { peakBytes } = await tf.profile(() => {
    const found = nearestCodes(rows, codebook);
    indices = [...found.dataSync()];
    return found;
  });
  assertEquals(indices, CHOSEN);
  // A part is 64 MiB, and its product and its difference are held at once; the whole would be 192 MiB, twice.
  assert(peakBytes < 2.1 * 2 ** 26, `${peakBytes}`);
});

Deno.test("the decoder's gradient passes the codes, and moves none of them", () => {
  const [z, codebook] = [tf.tensor([0.1, 0.9], [1, 1, 2, 1]), tf.tensor2d([[0], [1]])];
  const through = tf.grads((z, codebook) => tf.mul(quantize(z, codebook).z, tf.tensor([2, 3], [1, 1, 2, 1])));
  const [byLatents, byCodes] = through([z, codebook]);
  assertEquals([...quantize(z, codebook).z.dataSync()], [0, 1]);
  assertEquals([...byLatents!.dataSync()], [2, 3]);
  assertEquals([...byCodes!.dataSync()], [0, 0]);
});

for (const params of [{ ...SMALL, kind: "kl" as const, attention: [0] }, { ...SMALL, kind: "vq" as const, codes: 5 }]) {
  Deno.test(`the built-in autoencoder of kind ${params.kind} passes the check of a user's`, async () => {
    await checkCode(builtin, { params, images: { height: 4, width: 8, channels: 3 }, devices: ["onnx"] });
  });
}
