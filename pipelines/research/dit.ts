import * as tf from "@tensorflow/tfjs-core";
import { defineNetwork, type ForwardInputs, type Init, type NetworkSizes, type ParameterSpec } from "noiseline";
import { attend, dense, silu } from "noiseline/layers";
import { z } from "zod";

/**
 * DiT (Peebles & Xie 2023, section 3; facebookresearch/DiT, `models.py`): a transformer over patches, in which time and
 * label modulate each block: adaLN-zero. The modulating layers and the last layer start at zero, so that all blocks are
 * the identity at first and the output is zero.
 */

/** Width of the sinusoids that the time embedding starts with. */
const FREQUENCIES = 256;

const params = z.strictObject({
  depth: z.int().min(1).max(64).default(6).describe("Number of blocks"),
  width: z.int().min(8).max(2048).multipleOf(4).default(128).describe("Numbers in a token; a multiple of 4"),
  heads: z.int().min(1).max(64).default(4).describe("Heads of the attention; a divisor of width"),
  patch: z.int().min(1).max(16).default(2).describe("Side of a patch in pixels"),
  ratio: z.int().min(1).max(8).default(4).describe("Width of the hidden layer of a block, in widths"),
});

type Params = z.output<typeof params>;
type Weights = ForwardInputs["weights"];

export default defineNetwork({
  params,
  build(sizes, params) {
    const { height, width, outChannels } = sizes;
    const { heads, patch } = params;
    if (height % patch !== 0 || width % patch !== 0) {
      throw new RangeError(`Patches: got ${patch} for images of ${height}x${width}, wanted a divisor of both`);
    }
    if (params.width % heads !== 0) {
      throw new RangeError(`Heads: got ${heads}, wanted a divisor of the width ${params.width}`);
    }
    const [rows, columns] = [height / patch, width / patch];
    const positions = sinCosPositions(rows, columns, params.width);

    return {
      parameters: specsOf(sizes, params),
      forward({ weights, x, t, labels }) {
        const timed = dense(weights, "time.dense1", sinusoids(t));
        const time = dense(weights, "time.dense2", silu(timed));
        const known = labels === undefined ? time : tf.add(time, tf.matMul(labels, weights["label.embedding"]!));
        const condition = silu(known);

        let h = dense(weights, "patch", toPatches(x, patch));
        h = tf.add(h, tf.tensor(positions, [1, rows * columns, params.width]));
        for (let i = 0; i < params.depth; i++) h = block(weights, `block${i}`, h, { condition, heads });

        const [shift, scale] = modulation(weights, "last.modulation", condition, 2);
        const out = dense(weights, "last.out", modulate(h, shift!, scale!));
        return fromPatches(out, { rows, columns, patch, channels: outChannels });
      },
    };
  },
});

function specsOf({ channels, outChannels, classes }: NetworkSizes, { depth, width, patch, ratio }: Params) {
  const small: Init = { normal: 0.02 };
  return [
    ...layer("patch", patch * patch * channels, width),
    ...layer("time.dense1", FREQUENCIES, width, small),
    ...layer("time.dense2", width, width, small),
    ...(classes === undefined ? [] : [{ name: "label.embedding", shape: [classes + 1, width], init: small }]),
    ...Array.from({ length: depth }, (_, i) => [
      ...layer(`block${i}.modulation`, width, 6 * width, "zeros"),
      ...layer(`block${i}.qkv`, width, 3 * width),
      ...layer(`block${i}.out`, width, width),
      ...layer(`block${i}.hidden`, width, ratio * width),
      ...layer(`block${i}.mlp`, ratio * width, width),
    ]).flat(),
    ...layer("last.modulation", width, 2 * width, "zeros"),
    ...layer("last.out", width, patch * patch * outChannels, "zeros"),
  ];
}

/** Returns cosines, then sines, of t 10000^(-i / half); the U-Net's layer has sines first, and divides by half - 1. */
function sinusoids(t: tf.Tensor): tf.Tensor {
  const half = FREQUENCIES / 2;
  const rates = Array.from({ length: half }, (_, i) => 10000 ** (-i / half));
  const angles = tf.mul(tf.reshape(tf.cast(t, "float32"), [-1, 1]), tf.tensor(rates, [1, half]));
  return tf.concat([tf.cos(angles), tf.sin(angles)], 1);
}

/**
 * Returns the parameters of a dense layer, initialised uniformly by Glorot & Bengio 2010 unless `init` says otherwise.
 */
function layer(name: string, fanIn: number, fanOut: number, init: Init = { scale: 1, fanIn, fanOut }): ParameterSpec[] {
  return [
    { name: `${name}.kernel`, shape: [fanIn, fanOut], init },
    { name: `${name}.bias`, shape: [fanOut], init: "zeros" },
  ];
}

/** @param h [B, N, width] */
function block(
  weights: Weights,
  name: string,
  h: tf.Tensor,
  { condition, heads }: { readonly condition: tf.Tensor; readonly heads: number },
): tf.Tensor {
  const [shift1, scale1, gate1, shift2, scale2, gate2] = modulation(weights, `${name}.modulation`, condition, 6);
  const mixed = attention(weights, name, modulate(h, shift1!, scale1!), heads);
  const seen = tf.add(h, tf.mul(gate1!, mixed));
  const hidden = gelu(dense(weights, `${name}.hidden`, modulate(seen, shift2!, scale2!)));
  return tf.add(seen, tf.mul(gate2!, dense(weights, `${name}.mlp`, hidden)));
}

/**
 * Self-attention over all tokens: softmax(q k / sqrt(width / heads)) v.
 * @param h [B, N, width]
 */
function attention(weights: Weights, name: string, h: tf.Tensor, heads: number): tf.Tensor {
  const [batch, tokens, width] = h.shape as [number, number, number];
  const split = tf.reshape(dense(weights, `${name}.qkv`, h), [batch, tokens, 3, heads, width / heads]);
  const [q, k, v] = tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4])) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const mixed = tf.transpose(attend(q, k, v), [0, 2, 1, 3]);
  return dense(weights, `${name}.out`, tf.reshape(mixed, [batch, tokens, width]));
}

/** Returns `count` tensors of [B, 1, width] from time and label. */
function modulation(weights: Weights, name: string, condition: tf.Tensor, count: number): tf.Tensor[] {
  return tf.split(tf.expandDims(dense(weights, name, condition), 1), count, 2);
}

/** Layer normalisation without its own scale and shift, then scale and shift from time and label: adaLN. */
function modulate(h: tf.Tensor, shift: tf.Tensor, scale: tf.Tensor): tf.Tensor {
  const centred = tf.sub(h, tf.mean(h, -1, true));
  const variance = tf.mean(tf.square(centred), -1, true);
  const normed = tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-6)));
  return tf.add(tf.mul(normed, tf.add(scale, 1)), shift);
}

/** GELU by tanh (Hendrycks & Gimpel 2016): (1 + tanh(z)) / 2 is sigmoid(2 z). */
function gelu(x: tf.Tensor): tf.Tensor {
  const inner = tf.mul(x, tf.add(tf.mul(tf.square(x), 0.044715), 1));
  return tf.mul(x, tf.sigmoid(tf.mul(inner, 2 * Math.sqrt(2 / Math.PI))));
}

/** Reshapes [B, H, W, C] to [B, N, patch patch C], with patches row by row. */
function toPatches(x: tf.Tensor, patch: number): tf.Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const [rows, columns] = [height / patch, width / patch];
  const cut = tf.transpose(tf.reshape(x, [batch, rows, patch, columns, patch, channels]), [0, 1, 3, 2, 4, 5]);
  return tf.reshape(cut, [batch, rows * columns, patch * patch * channels]);
}

/** The inverse of `toPatches`. */
function fromPatches(
  h: tf.Tensor,
  { rows, columns, patch, channels }: Record<"rows" | "columns" | "patch" | "channels", number>,
): tf.Tensor {
  const [batch] = h.shape as [number];
  const cut = tf.transpose(tf.reshape(h, [batch, rows, columns, patch, patch, channels]), [0, 1, 3, 2, 4, 5]);
  return tf.reshape(cut, [batch, rows * patch, columns * patch, channels]);
}

/**
 * Returns [N, width]: for each patch sines and cosines of its row, then of its column, of width / 4 frequencies each.
 */
function sinCosPositions(rows: number, columns: number, width: number): number[] {
  const rates = Array.from({ length: width / 4 }, (_, i) => 10000 ** (-4 * i / width));
  const waves = (
    at: number,
  ) => [...rates.map((rate) => Math.sin(at * rate)), ...rates.map((rate) => Math.cos(at * rate))];
  const of = (n: number) => [...waves(Math.floor(n / columns)), ...waves(n % columns)];
  return Array.from({ length: rows * columns }, (_, n) => of(n)).flat();
}
