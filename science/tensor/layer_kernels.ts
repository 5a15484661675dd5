import * as tf from "@tensorflow/tfjs-core";

/**
 * Layers, each with its gradient, and the updates of an optimizer as kernels of TF.js's vocabulary, so that an engine
 * can compute each at once. Engines without such kernels compute the ops below (`compositions.ts`).
 */

export const GROUP_NORM = "NoiselineGroupNorm";
export const SILU = "NoiselineSilu";
export const ATTENTION = "NoiselineAttention";
export const UPSAMPLE = "NoiselineUpsample";
export const ADAM = "NoiselineAdam";
export const AVERAGE = "NoiselineAverage";

/** The name of the kernel for a layer's gradient. */
export const gradientOf = (kernelName: string) => `${kernelName}Gradient`;

// deno-lint-ignore no-explicit-any
type Layer = (inputs: any, attributes: any) => tf.Tensor | tf.Tensor[];

/**
 * The ops of each kernel. The results of a layer after its first are for its gradient, whose inputs are named `dy`, as
 * the layer's own, and `saved0`, `saved1`, ….
 */
export const LAYERS: Readonly<Record<string, Layer>> = {
  /**
   * Both passes are written as sums per image and channel, [B, C], followed by one multiply-add over the images:
   * autodiff of the textbook form makes several passes over a five-dimensional copy of the images.
   */
  [GROUP_NORM]: ({ x, scale, bias }, { groups, epsilon }) => {
    const { grouped, count } = groupsOf(x, groups);
    const size = grouped[2];
    const perGroup = (sums: tf.Tensor) => tf.div(tf.sum(tf.reshape(sums, grouped), 2, true), count);
    const mean = perGroup(tf.sum(x, [1, 2]));
    // Rounding can make the difference of the two moments slightly negative.
    const variance = tf.relu(tf.sub(perGroup(tf.sum(tf.square(x), [1, 2])), tf.square(mean)));
    const inverse = tf.rsqrt(tf.add(variance, epsilon));
    const factor = tf.mul(inverse, tf.reshape(scale, [1, groups, size]));
    const offset = tf.sub(tf.reshape(bias, [1, groups, size]), tf.mul(mean, factor));
    return [affine(x, factor, offset), mean, inverse];
  },
  /**
   * With n the normalised x and means taken over a group: dx = inverse (g - mean(g) - n mean(g n)), g = scale dy.
   * Collected by powers of dy and x, this is one affine map per image and channel.
   */
  [gradientOf(GROUP_NORM)]: ({ dy, x, scale, saved0: mean, saved1: inverse }, { groups }) => {
    const { grouped, count } = groupsOf(x, groups);
    const size = grouped[2];
    const sumDy = tf.reshape(tf.sum(dy, [1, 2]), grouped);
    const sumDyX = tf.reshape(tf.sum(tf.mul(dy, x), [1, 2]), grouped);
    const sumDyN = tf.mul(tf.sub(sumDyX, tf.mul(mean, sumDy)), inverse);

    const groupedScale = tf.reshape(scale, [1, groups, size]);
    const meanG = tf.div(tf.sum(tf.mul(groupedScale, sumDy), 2, true), count);
    const meanGn = tf.div(tf.sum(tf.mul(groupedScale, sumDyN), 2, true), count);

    const dyFactor = tf.mul(inverse, groupedScale);
    const xFactor = tf.neg(tf.mul(tf.square(inverse), meanGn));
    const offset = tf.sub(tf.neg(tf.mul(inverse, meanG)), tf.mul(mean, xFactor));
    const spread = (perGroup: tf.Tensor) => tf.tile(perGroup, [1, 1, size]);

    const dx = tf.add(tf.mul(dy, perChannel(dyFactor)), affine(x, spread(xFactor), spread(offset)));
    return [dx, tf.reshape(tf.sum(sumDyN, 0), [-1]), tf.reshape(tf.sum(sumDy, 0), [-1])];
  },
  /** With s = sigmoid(x) and y = x s, the derivative is y + s (1 - y): four small ops where autodiff makes six. */
  [SILU]: ({ x }) => {
    const gate = tf.sigmoid(x);
    const y = tf.mul(x, gate);
    return [y, gate, y];
  },
  [gradientOf(SILU)]: ({ dy, saved0: gate, saved1: y }) => tf.mul(dy, tf.add(y, tf.mul(gate, tf.sub(1, y)))),
  [ATTENTION]: ({ q, k, v }, { scale }) => {
    const shares = tf.softmax(tf.mul(tf.matMul(q, k, false, true), scale));
    return [tf.matMul(shares, v), shares];
  },
  [gradientOf(ATTENTION)]: ({ dy, q, k, v, saved0: shares }, { scale }) => {
    const dShares = tf.matMul(dy, v, false, true);
    const dv = tf.matMul(shares, dy, true);
    const product = tf.mul(dShares, shares);
    const dScores = tf.mul(tf.sub(product, tf.mul(tf.sum(product, -1, true), shares)), scale);
    return [tf.matMul(dScores, k), tf.matMul(dScores, q, true), dv];
  },
  /** A product with ones: the gradient of TF.js's resize is wrong on its CPU backend for batches of more than one. */
  [UPSAMPLE]: ({ x }) => {
    const [batch, height, width, channels] = x.shape;
    const pixels = tf.reshape(x, [batch * height, 1, width, 1, channels]);
    return tf.reshape(tf.mul(pixels, tf.ones([1, 2, 1, 2, 1])), [batch, 2 * height, 2 * width, channels]);
  },
  [gradientOf(UPSAMPLE)]: ({ dy }) => {
    const [batch, height, width, channels] = [dy.shape[0], dy.shape[1] / 2, dy.shape[2] / 2, dy.shape[3]];
    const blocks = tf.reshape(dy, [batch * height, 2, width, 2, channels]);
    return tf.reshape(tf.sum(tf.mul(blocks, tf.ones([1, 2, 1, 2, 1])), [1, 3]), [batch, height, width, channels]);
  },
  /**
   * Scalars are multiplied first, so that there are as few passes over each vector as possible: with c1, c2 the bias
   * corrections, lr (m / c1) / (sqrt(v / c2) + eps) = m / (sqrt(v) a + b), a = c1 / (lr sqrt(c2)), b = eps c1 / lr.
   */
  [ADAM]: (inputs, { beta1, beta2, epsilon }) => {
    const { params, m, v, grads, clip, learningRate, biasCorrection1, biasCorrection2, shrinkage } = inputs;
    const nextM = tf.add(tf.mul(m, beta1), tf.mul(grads, tf.mul(clip, 1 - beta1)));
    const nextV = tf.add(tf.mul(v, beta2), tf.mul(tf.square(grads), tf.mul(tf.square(clip), 1 - beta2)));
    const perRate = tf.div(biasCorrection1, learningRate);
    const spread = tf.add(
      tf.mul(tf.sqrt(nextV), tf.div(perRate, tf.sqrt(biasCorrection2))),
      tf.mul(perRate, epsilon),
    );
    const update = tf.div(nextM, spread);
    // Not params (1 - shrinkage): so near to 1, float32 would lose most digits of a small shrinkage.
    const whole = shrinkage === undefined ? update : tf.add(update, tf.mul(params, shrinkage));
    return [tf.sub(params, whole), nextM, nextV];
  },
  [AVERAGE]: ({ average, params, decay }) => tf.add(tf.mul(average, decay), tf.mul(params, tf.sub(1, decay))),
};

/**
 * Computes a layer.
 * @param kept names of the inputs that its gradient reads
 */
export function layer<Name extends string>(
  kernelName: string,
  inputs: Readonly<Record<Name, tf.Tensor>>,
  { kept = [], ...attributes }: { readonly kept?: readonly NoInfer<Name>[] } & tf.NamedAttrMap = {},
): tf.Tensor {
  const names = Object.keys(inputs) as Name[];
  return tf.customGrad((...args) => {
    const given = Object.fromEntries(names.map((name, i) => [name, args[i] as tf.Tensor])) as typeof inputs;
    const save = args.at(-1) as unknown as tf.GradSaveFunc;
    const [value, ...wanted] = runLayer(kernelName, given, attributes) as [tf.Tensor, ...tf.Tensor[]];
    save([...kept.map((name) => given[name]), ...wanted]);
    return {
      value,
      gradFunc(dy: tf.Tensor, saved: tf.Tensor[]) {
        const keys = [...kept, ...wanted.map((_, i) => `saved${i}`)];
        const known = Object.fromEntries(keys.map((key, i) => [key, saved[i]!]));
        return runLayer(gradientOf(kernelName), { dy, ...known }, attributes);
      },
    };
  })(...names.map((name) => inputs[name]));
}

/** Runs a kernel, on a backend that has none of that name by its ops: backends may be used without a device. */
export function runLayer(kernelName: string, inputs: tf.NamedTensorMap, attributes: tf.NamedAttrMap = {}): tf.Tensor[] {
  const backendName = tf.getBackend();
  if (tf.getKernel(kernelName, backendName) === undefined) {
    const kernelFunc: tf.KernelFunc = ({ inputs, attrs }) => tf.tidy(() => LAYERS[kernelName]!(inputs, attrs));
    tf.registerKernel({ kernelName, backendName, kernelFunc });
  }
  return [tf.engine().runKernel(kernelName, inputs, attributes)].flat();
}

/** Returns the shape of sums per channel, [B, G, C/G], and the number of values that a group has in one image. */
function groupsOf({ shape: [batch, height, width, channels] }: tf.Tensor4D, groups: number) {
  const grouped: [number, number, number] = [batch, groups, channels / groups];
  return { grouped, count: height * width * channels / groups };
}

/** Computes x times a factor plus an offset per image and channel. @param factor, offset [B, G, C/G] */
function affine(x: tf.Tensor4D, factor: tf.Tensor, offset: tf.Tensor): tf.Tensor {
  return tf.add(tf.mul(x, perChannel(factor)), perChannel(offset));
}

/** Reshapes [B, G, C/G] to [B, 1, 1, C]. */
function perChannel(grouped: tf.Tensor): tf.Tensor {
  const [batch, groups, size] = grouped.shape as [number, number, number];
  return tf.reshape(grouped, [batch, 1, 1, groups * size]);
}
