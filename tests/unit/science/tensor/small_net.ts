import * as tf from "@tensorflow/tfjs-core";
import type { NamedTensors, Signature } from "../../../../science/tensor/device.ts";
import { float32, int32 } from "../../../support/tensors.ts";

/** A training step with one of each part of a U-Net: about 3,000 parameters, 8x8x2 images. */
const SMALL_NET_BATCH = 3;
const CHANNELS = 8;

const SMALL_NET_PARAMETERS: Signature = {
  "in.w": float32(3, 3, 2, CHANNELS),
  "in.b": float32(CHANNELS),
  "label.w": float32(4, CHANNELS),
  "norm.scale": float32(CHANNELS),
  "norm.shift": float32(CHANNELS),
  "down.w": float32(3, 3, CHANNELS, CHANNELS),
  "down.b": float32(CHANNELS),
  "qkv.w": float32(1, 1, CHANNELS, 3 * CHANNELS),
  "qkv.b": float32(3 * CHANNELS),
  "up.w": float32(3, 3, CHANNELS, CHANNELS),
  "out.w": float32(3, 3, 2 * CHANNELS, 2),
};

export const SMALL_NET_INPUTS: Signature = {
  ...SMALL_NET_PARAMETERS,
  x: float32(SMALL_NET_BATCH, 8, 8, 2),
  noise: float32(SMALL_NET_BATCH, 8, 8, 2),
  t: float32(SMALL_NET_BATCH),
  label: int32(SMALL_NET_BATCH),
};

function swish(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.sigmoid(x));
}

function conv(x: tf.Tensor, w: tf.Tensor, strides = 1): tf.Tensor {
  return tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, strides, "same");
}

function groupNorm(x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor): tf.Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const grouped = tf.reshape(x, [batch, height * width, 4, channels / 4]);
  const { mean, variance } = tf.moments(grouped, [1, 3], true);
  const normal = tf.mul(tf.sub(grouped, mean), tf.rsqrt(tf.add(variance, 1e-6)));
  return tf.add(tf.mul(tf.reshape(normal, x.shape), scale), shift);
}

function attention(x: tf.Tensor, w: tf.Tensor, b: tf.Tensor): tf.Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const flat = tf.reshape(tf.add(conv(x, w), b), [batch, height * width, 3 * channels]);
  const [q, k, v] = tf.split(flat, 3, 2) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const weights = tf.softmax(tf.mul(tf.matMul(q, k, false, true), channels ** -0.5));
  return tf.add(x, tf.reshape(tf.matMul(weights, v), x.shape));
}

function upsample(x: tf.Tensor): tf.Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const spread = tf.mul(tf.reshape(x, [batch * height, 1, width, 1, channels]), tf.ones([1, 2, 1, 2, 1]));
  return tf.reshape(spread, [batch, 2 * height, 2 * width, channels]);
}

function timeEmbedding(t: tf.Tensor): tf.Tensor {
  const frequencies = tf.tensor1d(Array.from({ length: CHANNELS / 2 }, (_, i) => 10_000 ** (-i / (CHANNELS / 2 - 1))));
  const angles = tf.mul(tf.expandDims(t, 1), frequencies);
  return tf.concat([tf.sin(angles), tf.cos(angles)], 1);
}

function predict(p: NamedTensors, { x, t, label }: NamedTensors): tf.Tensor {
  const first = tf.add(conv(x!, p["in.w"]!), p["in.b"]!);
  const embedding = tf.add(timeEmbedding(t!), tf.gather(p["label.w"]!, tf.cast(label!, "int32")));
  const shifted = tf.add(first, tf.reshape(embedding, [-1, 1, 1, CHANNELS]));
  const normal = swish(groupNorm(shifted, p["norm.scale"]!, p["norm.shift"]!));
  const down = tf.add(conv(normal, p["down.w"]!, 2), p["down.b"]!);
  const up = conv(upsample(attention(down, p["qkv.w"]!, p["qkv.b"]!)), p["up.w"]!);
  return conv(tf.concat([up, first], 3), p["out.w"]!);
}

/** Returns the mean squared error against `noise`, and its gradients with respect to every parameter. */
export function smallNetStep(inputs: NamedTensors): NamedTensors {
  const names = Object.keys(SMALL_NET_PARAMETERS);
  const { value, grads } = tf.valueAndGrads((...tensors: tf.Tensor[]) => {
    const parameters = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
    return tf.mean(tf.squaredDifference(predict(parameters, inputs), inputs.noise!));
  })(names.map((name) => inputs[name]!));
  return { loss: value, ...Object.fromEntries(names.map((name, i) => [`grad ${name}`, grads[i]!])) };
}
