import { assertEquals, assertThrows } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import "../../../science/tensor/complete_tfjs.ts";
import type { NetworkSizes } from "../../../science/diffusion/define.ts";
import {
  initialParameters,
  makeNetwork,
  type NamedArrays,
  predict,
  sizeOf,
} from "../../../science/diffusion/network.ts";
import dit from "../../../pipelines/research/dit.ts";
import { assertAllClose } from "../science/diffusion/assert_close.ts";
import { PseudoRandom } from "../science/diffusion/pseudo_random.ts";

await tf.setBackend("cpu");

const SIZES: NetworkSizes = { height: 4, width: 6, channels: 2, outChannels: 4, classes: 3 };
const PARAMS = { depth: 2, width: 8, heads: 2, patch: 2, ratio: 3 };
const TIMES = [3, 711.5];
/** Labels of the two images; the last of the four columns means no label. */
const LABELS = [1, 3];

function forward(sizes: NetworkSizes, params: typeof PARAMS, named: NamedArrays, x: Float32Array): Float32Array {
  const network = makeNetwork(sizes, dit.build(sizes, params));
  return tf.tidy(() => {
    const weights = Object.fromEntries(
      network.parameters.map(({ name, shape }) => [name, tf.tensor(named[name]!, [...shape])]),
    );
    const batch = TIMES.length;
    return predict(network, {
      weights,
      x: tf.tensor(x, [batch, sizes.height, sizes.width, sizes.channels]),
      t: tf.tensor1d(TIMES),
      labels: sizes.classes === undefined ? undefined : tf.oneHot(tf.tensor1d(LABELS, "int32"), sizes.classes + 1),
    }).dataSync() as Float32Array;
  });
}

/**
 * Computes DiT's output for one image, in float64 and plain loops, by facebookresearch/DiT `models.py` (DiTBlock,
 * FinalLayer, unpatchify) with its parameters; in the positions here, rows come before columns.
 */
function reference(
  named: NamedArrays,
  { image, t, label }: {
    readonly image: (row: number, column: number, channel: number) => number;
    t: number;
    label: number;
  },
): number[] {
  const { depth, width, heads, patch } = PARAMS;
  const rows = SIZES.height / patch;
  const columns = SIZES.width / patch;
  const linear = (name: string, x: readonly number[]): number[] => {
    const [kernel, bias] = [named[`${name}.kernel`]!, named[`${name}.bias`]!];
    return Array.from(bias, (b, j) => x.reduce((sum, v, i) => sum + v * kernel[i * bias.length + j]!, b));
  };
  const silu = (v: number) => v / (1 + Math.exp(-v));
  const gelu = (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));

  const sinusoids: number[] = [];
  for (const wave of [Math.cos, Math.sin]) {
    for (let i = 0; i < 128; i++) sinusoids.push(wave(t * Math.exp(-Math.log(10000) * i / 128)));
  }
  const time = linear("time.dense2", linear("time.dense1", sinusoids).map(silu));
  const condition = time.map((v, i) => silu(v + named["label.embedding"]![label * width + i]!));

  let tokens: number[][] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const pixels: number[] = [];
      for (let dy = 0; dy < patch; dy++) {
        for (let dx = 0; dx < patch; dx++) {
          for (let c = 0; c < SIZES.channels; c++) pixels.push(image(row * patch + dy, column * patch + dx, c));
        }
      }
      const position: number[] = [];
      for (const at of [row, column]) {
        for (const wave of [Math.sin, Math.cos]) {
          for (let i = 0; i < width / 4; i++) position.push(wave(at / 10000 ** (i / (width / 4))));
        }
      }
      tokens.push(linear("patch", pixels).map((v, i) => v + position[i]!));
    }
  }

  const modulate = (x: readonly number[], shift: readonly number[], scale: readonly number[]) => {
    const mean = x.reduce((a, b) => a + b) / width;
    const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / width;
    return x.map((v, i) => (v - mean) / Math.sqrt(variance + 1e-6) * (1 + scale[i]!) + shift[i]!);
  };
  const chunks = (name: string, count: number) => {
    const all = linear(name, condition);
    return Array.from({ length: count }, (_, k) => all.slice(k * width, (k + 1) * width));
  };

  for (let b = 0; b < depth; b++) {
    const [shift1, scale1, gate1, shift2, scale2, gate2] = chunks(`block${b}.modulation`, 6);
    const qkv = tokens.map((token) => linear(`block${b}.qkv`, modulate(token, shift1!, scale1!)));
    const size = width / heads;
    const mixed = qkv.map(() => new Array<number>(width).fill(0));
    for (let head = 0; head < heads; head++) {
      const part = (token: number, which: number, i: number) => qkv[token]![which * width + head * size + i]!;
      for (let m = 0; m < tokens.length; m++) {
        const scores = tokens.map((_, n) => {
          let dot = 0;
          for (let i = 0; i < size; i++) dot += part(m, 0, i) * part(n, 1, i);
          return Math.exp(dot / Math.sqrt(size));
        });
        const total = scores.reduce((a, c) => a + c);
        scores.forEach((score, n) => {
          for (let i = 0; i < size; i++) mixed[m]![head * size + i]! += score / total * part(n, 2, i);
        });
      }
    }
    tokens = tokens.map((token, n) => {
      const attended = linear(`block${b}.out`, mixed[n]!);
      const seen = token.map((v, i) => v + gate1![i]! * attended[i]!);
      const hidden = linear(`block${b}.hidden`, modulate(seen, shift2!, scale2!)).map(gelu);
      const out = linear(`block${b}.mlp`, hidden);
      return seen.map((v, i) => v + gate2![i]! * out[i]!);
    });
  }

  const [shift, scale] = chunks("last.modulation", 2);
  const patches = tokens.map((token) => linear("last.out", modulate(token, shift!, scale!)));
  const image2: number[] = [];
  for (let y = 0; y < SIZES.height; y++) {
    for (let x = 0; x < SIZES.width; x++) {
      const of = patches[Math.floor(y / patch) * columns + Math.floor(x / patch)]!;
      for (let c = 0; c < SIZES.outChannels; c++) {
        image2.push(of[((y % patch) * patch + x % patch) * SIZES.outChannels + c]!);
      }
    }
  }
  return image2;
}

function randomWeights(random: PseudoRandom): NamedArrays {
  return Object.fromEntries(
    dit.build(SIZES, PARAMS).parameters.map((spec) => [spec.name, random.symmetric(sizeOf(spec), 0.6)]),
  );
}

Deno.test("DiT agrees with the network of the paper's code in float64 at random parameters", () => {
  const random = new PseudoRandom(1);
  const named = randomWeights(random);
  const size = SIZES.height * SIZES.width * SIZES.channels;
  const x = random.symmetric(2 * size, 1.5);
  const got = forward(SIZES, PARAMS, named, x);
  const want = TIMES.flatMap((t, b) =>
    reference(named, {
      image: (row, column, c) => x[b * size + (row * SIZES.width + column) * SIZES.channels + c]!,
      t,
      label: LABELS[b]!,
    })
  );
  // float32: a sine of 711.5 is off by 3e-5, and everything else by about 1e-6, of numbers of order 1.
  assertAllClose(got, want, { abs: 2e-4 });
  // The case is meaningful: outputs are spread out, and differ by image.
  assertEquals(want.some((v) => Math.abs(v) > 0.5), true);
});

/** Returns initial parameters, with the numbers of the given generator. */
function start(random: PseudoRandom, sizes: NetworkSizes, params: typeof PARAMS): NamedArrays {
  return initialParameters(dit.build(sizes, params), (_i, kind, count) => {
    return kind === "uniform" ? random.uniforms(count) : random.symmetric(count, 3 ** 0.5);
  });
}

Deno.test("DiT says exactly zero at the start, and its blocks are the identity: adaLN-zero", () => {
  const random = new PseudoRandom(2);
  const named = start(random, SIZES, PARAMS);
  const x = random.symmetric(2 * SIZES.height * SIZES.width * SIZES.channels);
  assertEquals(forward(SIZES, PARAMS, named, x).every((v) => v === 0), true);

  // With a last layer that passes on its input, two blocks give the same output as no block, to the bit.
  named["last.out.kernel"] = random.symmetric(named["last.out.kernel"]!.length);
  const shown = forward(SIZES, PARAMS, named, x);
  assertEquals(shown.some((v) => Math.abs(v) > 0.1), true);
  assertEquals(shown, forward(SIZES, { ...PARAMS, depth: 0 }, named, x));

  // Opening a gate changes that.
  named["block1.modulation.bias"] = named["block1.modulation.bias"]!.map(() => 1);
  assertEquals(forward(SIZES, PARAMS, named, x).some((v, i) => Math.abs(v - shown[i]!) > 0.01), true);
});

Deno.test("DiT learns at the start: the gradient reaches the last layer, and all others once that has moved", () => {
  const random = new PseudoRandom(3);
  const network = makeNetwork(SIZES, dit.build(SIZES, PARAMS));
  const named = start(random, SIZES, PARAMS);
  const x = tf.tensor(random.symmetric(96), [2, 4, 6, 2]);
  const noise = tf.tensor(random.symmetric(192), [2, 4, 6, 4]);
  const labels = tf.oneHot(tf.tensor1d(LABELS, "int32"), 4);
  const moved = (arrays: NamedArrays) => {
    const loss = (...list: tf.Tensor[]) => {
      const weights = Object.fromEntries(network.parameters.map(({ name }, i) => [name, list[i]!]));
      const out = predict(network, { weights, x, t: tf.tensor1d(TIMES), labels });
      return tf.mean(tf.squaredDifference(out, noise)) as tf.Scalar;
    };
    const list = network.parameters.map(({ name, shape }) => tf.tensor(arrays[name]!, [...shape]));
    const gradients = tf.grads(loss)(list);
    return network.parameters.filter((_, i) => gradients[i]!.dataSync().some((g) => g !== 0)).map(({ name }) => name);
  };
  assertEquals(moved(named), ["last.out.kernel", "last.out.bias"]);
  const opened = Object.fromEntries(
    Object.entries(named).map(([name, array]) => [name, array.map((v) => v + 0.05 * random.symmetric(1)[0]!)]),
  );
  assertEquals(moved(opened), network.parameters.map(({ name }) => name));
});

Deno.test("DiT has as many parameters as the paper's DiT-S/2, without the fixed positions", () => {
  const sizes = { height: 32, width: 32, channels: 4, outChannels: 8, classes: 1000 };
  const { parameters } = dit.build(sizes, { depth: 12, width: 384, heads: 6, patch: 2, ratio: 4 });
  // models.py: 12 blocks of qkv, proj, fc1, fc2, adaLN; x, t and y embedders; adaLN and linear of the final layer.
  const layer = (fanIn: number, fanOut: number) => (fanIn + 1) * fanOut;
  const blocks = layer(384, 3 * 384) + layer(384, 384) + layer(384, 1536) + layer(1536, 384) + layer(384, 6 * 384);
  const embedders = layer(16, 384) + layer(256, 384) + layer(384, 384) + 1001 * 384;
  const want = 12 * blocks + embedders + layer(384, 2 * 384) + layer(384, 32);
  // Table 1 of the paper says 33 million.
  assertEquals(want, 32_865_056);
  assertEquals(parameters.reduce((sum, spec) => sum + sizeOf(spec), 0), want);
});

Deno.test("DiT refuses what does not fit", () => {
  const build = (params: Partial<typeof PARAMS>) => () => dit.build(SIZES, { ...PARAMS, ...params });
  assertThrows(build({ patch: 4 }), RangeError, "got 4 for images of 4x6, wanted a divisor of both");
  assertThrows(build({ heads: 3 }), RangeError, "got 3, wanted a divisor of the width 8");
});
