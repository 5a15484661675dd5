import * as tf from "@tensorflow/tfjs";
import type { NamedTensors } from "../../tensor/device.ts";

/**
 * The Inception v3 of 2015-12-05 whose features the FID is defined by, as pytorch-fid and torch-fidelity have it: not
 * torchvision's, since its average pools leave the padding out, its last block has a max pool, and it knows 1008
 * classes. Szegedy et al. 2015 (arXiv 1512.00567); layers are named as in pytorch-fid's weights.
 */

/** A convolution without bias, batch norm and ReLU. `linear`: the ReLU comes after the average pool that follows. */
interface Conv {
  readonly conv: string;
  readonly kernel: readonly [number, number];
  readonly stride: 1 | 2;
  readonly pad: "same" | "valid";
  readonly averaged?: boolean;
}

/** Windows of 3x3; padding counts in neither kind. */
interface Pool {
  readonly pool: "average" | "max";
  readonly stride: 1 | 2;
  readonly pad: "same" | "valid";
}

/** Branches of one input, whose channels are joined in this order. */
interface Fork {
  readonly fork: string;
  readonly branches: readonly (readonly Step[])[];
}

type Step = Conv | Pool | Fork;

const same = (conv: string, height: number, width = height): Conv => ({
  conv,
  kernel: [height, width],
  stride: 1,
  pad: "same",
});
const valid = (conv: string, side: number, stride: 1 | 2 = 1): Conv => ({
  conv,
  kernel: [side, side],
  stride,
  pad: "valid",
});
const averaged = (conv: string): Conv => ({ ...same(conv, 1), averaged: true });
const max: Pool = { pool: "max", stride: 1, pad: "same" };
const halve: Pool = { pool: "max", stride: 2, pad: "valid" };

const blockA = (fork: string): Fork => ({
  fork,
  branches: [
    [same("branch1x1", 1)],
    [same("branch5x5_1", 1), same("branch5x5_2", 5)],
    [same("branch3x3dbl_1", 1), same("branch3x3dbl_2", 3), same("branch3x3dbl_3", 3)],
    [averaged("branch_pool")],
  ],
});

const blockC = (fork: string): Fork => ({
  fork,
  branches: [
    [same("branch1x1", 1)],
    [same("branch7x7_1", 1), same("branch7x7_2", 1, 7), same("branch7x7_3", 7, 1)],
    [
      same("branch7x7dbl_1", 1),
      same("branch7x7dbl_2", 7, 1),
      same("branch7x7dbl_3", 1, 7),
      same("branch7x7dbl_4", 7, 1),
      same("branch7x7dbl_5", 1, 7),
    ],
    [averaged("branch_pool")],
  ],
});

const blockE = (fork: string, pool: readonly Step[]): Fork => {
  const cross = (name: string): Fork => ({
    fork: "",
    branches: [[same(`${name}a`, 1, 3)], [same(`${name}b`, 3, 1)]],
  });
  return {
    fork,
    branches: [
      [same("branch1x1", 1)],
      [same("branch3x3_1", 1), cross("branch3x3_2")],
      [same("branch3x3dbl_1", 1), same("branch3x3dbl_2", 3), cross("branch3x3dbl_3")],
      pool,
    ],
  };
};

const NETWORK: readonly Step[] = [
  valid("Conv2d_1a_3x3", 3, 2),
  valid("Conv2d_2a_3x3", 3),
  same("Conv2d_2b_3x3", 3),
  halve,
  valid("Conv2d_3b_1x1", 1),
  valid("Conv2d_4a_3x3", 3),
  halve,
  blockA("Mixed_5b"),
  blockA("Mixed_5c"),
  blockA("Mixed_5d"),
  {
    fork: "Mixed_6a",
    branches: [
      [valid("branch3x3", 3, 2)],
      [same("branch3x3dbl_1", 1), same("branch3x3dbl_2", 3), valid("branch3x3dbl_3", 3, 2)],
      [halve],
    ],
  },
  blockC("Mixed_6b"),
  blockC("Mixed_6c"),
  blockC("Mixed_6d"),
  blockC("Mixed_6e"),
  {
    fork: "Mixed_7a",
    branches: [
      [same("branch3x3_1", 1), valid("branch3x3_2", 3, 2)],
      [
        same("branch7x7x3_1", 1),
        same("branch7x7x3_2", 1, 7),
        same("branch7x7x3_3", 7, 1),
        valid("branch7x7x3_4", 3, 2),
      ],
      [halve],
    ],
  },
  blockE("Mixed_7b", [averaged("branch_pool")]),
  blockE("Mixed_7c", [max, same("branch_pool", 1)]),
];

function run(steps: readonly Step[], prefix: string, params: NamedTensors, input: tf.Tensor4D): tf.Tensor4D {
  let x = input;
  for (const step of steps) {
    if ("fork" in step) {
      const inner = step.fork === "" ? prefix : `${prefix}${step.fork}.`;
      x = tf.concat(step.branches.map((branch) => run(branch, inner, params, x)), 3);
    } else if ("pool" in step) {
      x = (step.pool === "max" ? tf.maxPool : tf.avgPool)(x, 3, step.stride, step.pad);
    } else {
      const name = prefix + step.conv;
      const sum = tf.conv2d(x, params[`${name}.kernel`] as tf.Tensor4D, step.stride, step.pad);
      const biased = tf.add(sum, params[`${name}.bias`]!) as tf.Tensor4D;
      x = tf.relu(step.averaged ? tf.avgPool(biased, 3, 1, "same") : biased);
    }
  }
  return x;
}

export function inception(params: NamedTensors, x: tf.Tensor): { readonly features: tf.Tensor; readonly logits: tf.Tensor } {
  const features = tf.mean(run(NETWORK, "", params, x as tf.Tensor4D), [1, 2]) as tf.Tensor2D;
  return { features, logits: tf.matMul(features, params["fc.kernel"] as tf.Tensor2D) };
}

export function foldInception(state: ReadonlyMap<string, { shape: readonly number[]; data: Float32Array }>) {
  const out: Record<string, { shape: number[]; data: Float32Array<ArrayBuffer> }> = {};
  for (const [name, { shape, data }] of state) {
    if (name === "fc.weight") {
      const [o, i] = shape as [number, number];
      const t = new Float32Array(o * i);
      for (let a = 0; a < o; a++) for (let b = 0; b < i; b++) t[b * o + a] = data[a * i + b]!;
      out["fc.kernel"] = { shape: [i, o], data: t };
    }
    if (!name.endsWith(".conv.weight")) continue;
    const base = name.slice(0, -".conv.weight".length);
    const get = (n: string) => state.get(`${base}.bn.${n}`)!.data;
    const [g, b, m, v] = [get("weight"), get("bias"), get("running_mean"), get("running_var")];
    const [O, I, H, W] = shape as [number, number, number, number];
    const kernel = new Float32Array(data.length);
    const bias = new Float32Array(O);
    for (let o = 0; o < O; o++) {
      const s = g[o]! / Math.sqrt(v[o]! + 1e-3);
      bias[o] = b[o]! - m[o]! * s;
      for (let i = 0; i < I; i++) {
        for (let k = 0; k < H * W; k++) kernel[(k * I + i) * O + o] = s * data[(o * I + i) * H * W + k]!;
      }
    }
    out[`${base}.kernel`] = { shape: [H, W, I, O], data: kernel };
    out[`${base}.bias`] = { shape: [O], data: bias };
  }
  return out;
}
