import * as tf from "@tensorflow/tfjs-core";
import {
  type AdamMoments,
  type AdamSettings,
  adamStep,
  clipFactor,
  emaStep,
  globalNorm,
} from "../../science/diffusion/optimizer.ts";
import { autoencoderTerms } from "../../science/diffusion/autoencoder/loss.ts";
import { autoencoderLossParams } from "../../science/diffusion/autoencoder/loss_params.ts";
import { quantize } from "../../science/diffusion/autoencoder/quantize.ts";
import { mixed, perImage, simpleLossPerImage } from "../../science/diffusion/loss.ts";
import { conv, dense, norm, silu, timeEmbedding, upsample } from "../../science/diffusion/layers.ts";
import { predict } from "../../science/diffusion/network.ts";
import { attention } from "../../science/diffusion/blocks.ts";
import type { NamedTensors } from "../../science/tensor/device.ts";
import { keepMask } from "../../science/tensor/random/keep_mask.ts";
import { unetOf } from "../support/unet.ts";
import type { Attributes } from "./fixtures.ts";

type Inputs = Record<string, tf.Tensor>;

/**
 * noiseline's implementation of the reference with the same name in dev/parity/references.py. A single tensor is the
 * output `y`.
 */
export type Operation = (inputs: Inputs, attributes: Attributes) => tf.Tensor | NamedTensors;

const unary = (op: (x: tf.Tensor) => tf.Tensor): Operation => ({ x }) => op(x!);
const binary = (op: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Operation => ({ a, b }) => op(a!, b!);

/** Returns the parameters of one layer as a network holds them, under the layer's name. */
const named = (inputs: Inputs): Inputs =>
  Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [`layer.${name}`, tensor]));

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  add: binary((a, b) => tf.add(a, b)),
  sub: binary((a, b) => tf.sub(a, b)),
  mul: binary((a, b) => tf.mul(a, b)),
  div: binary((a, b) => tf.div(a, b)),
  maximum: binary((a, b) => tf.maximum(a, b)),
  where: ({ at, a, b }) => tf.where(tf.greater(at!, 0), a!, b!),
  neg: unary((x) => tf.neg(x)),
  relu: unary((x) => tf.relu(x)),
  clip: ({ x }, { low, high }) => tf.clipByValue(x!, low, high),
  square: unary((x) => tf.square(x)),
  sqrt: unary((x) => tf.sqrt(x)),
  rsqrt: unary((x) => tf.rsqrt(x)),
  exp: unary((x) => tf.exp(x)),
  log: unary((x) => tf.log(x)),
  sin: unary((x) => tf.sin(x)),
  cos: unary((x) => tf.cos(x)),
  tanh: unary((x) => tf.tanh(x)),
  sigmoid: unary((x) => tf.sigmoid(x)),
  fill: ({ x }, { value }) => tf.mul(x!, tf.fill(x!.shape, value)),
  cast: ({ n, x }) => tf.mul(tf.cast(n!, "float32"), x!),

  concat: ({ a, b, c }, { axis }) => tf.concat([a!, b!, c!], axis as number),
  // TF.js reads the array of parts again for the gradient, so it must stay in order.
  split: ({ x }, { axis, sizes }) => tf.concat(tf.split(x!, sizes, axis as number).toReversed(), axis as number),
  slice: ({ x }, { begin, size }) => tf.slice(x!, begin, size),
  pad: ({ x }, { paddings, value }) => tf.pad(x!, paddings, value),
  transpose: ({ x }, { perm }) => tf.transpose(x!, perm),
  tile: ({ x }, { reps }) => tf.tile(x!, reps),
  gather: ({ x, at }, { axis }) => tf.gather(x!, at as tf.Tensor1D, axis as number),
  upsample: unary(upsample),

  sum: ({ x }, { axis, keepDims }) => tf.sum(x!, axis, keepDims),
  mean: ({ x }, { axis, keepDims }) => tf.mean(x!, axis, keepDims),
  softmax: unary((x) => tf.softmax(x)),
  matMul: ({ a, b }, { transposeA, transposeB }) => tf.matMul(a!, b!, transposeA, transposeB),
  averagePool: ({ x }, { stride, padding }) => tf.avgPool(x as tf.Tensor4D, 3, stride, padding),
  maxPool: ({ x }, { stride, padding }) => tf.maxPool(x as tf.Tensor4D, 3, stride, padding),
  avgPool: ({ x }) => tf.avgPool(x as tf.Tensor4D, 2, 2, "valid"),

  conv: ({ x, kernel, bias, shift }, { stride }) =>
    conv(named({ kernel: kernel!, bias: bias! }), "layer", x!, { stride, ...(shift === undefined ? {} : { shift }) }),
  conv2d: ({ x, kernel }, { stride }) => tf.conv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, stride, "same"),
  convValid: ({ x, kernel }, { stride }) => tf.conv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, stride, "valid"),
  dense: ({ x, kernel, bias }) => dense(named({ kernel: kernel!, bias: bias! }), "layer", x!),
  groupNorm: ({ x, scale, bias }) => norm(named({ scale: scale!, bias: bias! }), "layer", x!),
  silu: unary(silu),
  attention: ({ x, ...params }) => attention(named(params), "layer", x!),
  keepMask: ({ key }, { shape, site, rate }) => keepMask(key!, shape, { site, rate }),
  dropout: ({ x, key }, { site, rate }) => tf.mul(x!, keepMask(key!, x!.shape, { site, rate })),
  timeEmbedding: ({ t }, { width }) => timeEmbedding(t!, width),
  unet: ({ x, t, ...weights }, { config }) => predict(unetOf(config), { weights, x: x!, t: t! }),

  qSample: ({ x0, noise, sqrtAlphasCumprod, sqrtOneMinusAlphasCumprod }) =>
    mixed(perImage(sqrtAlphasCumprod!, x0!), x0!, perImage(sqrtOneMinusAlphasCumprod!, x0!), noise!),
  loss: ({ eps, predicted }) => simpleLossPerImage(eps!, predicted!),
  adam: (inputs) => {
    const { grads, clipNorm, ...rest } = inputs as Record<string, tf.Tensor>;
    const gradNorm = globalNorm([grads!]);
    const state = rest as unknown as AdamMoments & AdamSettings;
    return { ...adamStep(state, grads!, clipFactor(gradNorm, clipNorm!), state), gradNorm };
  },
  quantize: (inputs) => {
    const { z, losses: { codebook, commitment } } = quantize(inputs["z"]!, inputs["codebook"]!);
    return tf.add(z, perImage(tf.add(codebook!, tf.mul(2, commitment!)), z));
  },
  autoencoderLoss: ({ x, reconstruction, mean, logVariance, codebook }, { options }) => {
    const code = {
      parameters: [],
      latent: { height: 0, width: 0, channels: 0 },
      encode: () => ({ mean: mean!, logVariance }),
      decode: () => reconstruction!,
      ...(codebook === undefined ? {} : { quantize: ({ z }: { readonly z: tf.Tensor }) => quantize(z, codebook) }),
    };
    const features = (images: tf.Tensor) => [tf.tanh(images), tf.square(images)];
    const terms = autoencoderTerms(code, { x: x!, dropout: (h) => h }, {}, {
      ...autoencoderLossParams.parse(options),
      ...(options.perceptual === undefined ? {} : { features }),
    });
    return Object.values(terms).reduce((sum, term) => tf.add(sum, term));
  },
  ema: ({ ema, params, decay }) => emaStep(ema!, params!, decay!),
  reverseStep: ({ x, t, recip, recipm1, coefX0, coefXt, sigma, z, ...weights }, { config }) => {
    const output = predict(unetOf(config), { weights, x: x!, t: t! });
    const x0 = tf.clipByValue(tf.sub(tf.mul(recip!, x!), tf.mul(recipm1!, output)), -1, 1);
    return { x: tf.add(tf.add(tf.mul(coefX0!, x0), tf.mul(coefXt!, x!)), tf.mul(sigma!, z!)), x0 };
  },
};

/**
 * Calls an op of TF.js by its name in `tf`, e.g. `image.resizeBilinear`. The argument "@x" stands for the input x; a
 * list that begins with the name of another op stands for that op's result for the rest of the list.
 */
export function tfOperation(name: string, args: readonly unknown[]): Operation {
  return (inputs) => {
    const evaluate = (argument: unknown): unknown => {
      if (typeof argument === "string") return argument.startsWith("@") ? inputs[argument.slice(1)] : argument;
      if (Array.isArray(argument)) {
        const op = typeof argument[0] === "string" ? opNamed(argument[0]) : undefined;
        return op === undefined ? argument.map(evaluate) : op(...argument.slice(1).map(evaluate));
      }
      if (typeof argument !== "object" || argument === null) return argument;
      return Object.fromEntries(Object.entries(argument).map(([key, value]) => [key, evaluate(value)]));
    };
    return opNamed(name)!(...args.map(evaluate)) as tf.Tensor;
  };
}

function opNamed(name: string): ((...args: unknown[]) => unknown) | undefined {
  const found = name.split(".").reduce<unknown>(
    (from, part) => (from as Record<string, unknown> | undefined)?.[part],
    tf,
  );
  return typeof found === "function" ? found as (...args: unknown[]) => unknown : undefined;
}
