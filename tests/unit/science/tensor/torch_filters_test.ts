import * as tf from "@tensorflow/tfjs-core";
import { assertEquals } from "@std/assert";
import { adamStep, emaStep, globalNorm } from "../../../../science/diffusion/optimizer.ts";
import { withHeldFilters } from "../../../../science/tensor/torch/filters.ts";
import { LAYER_TRANSLATIONS } from "../../../../science/tensor/torch/layers.ts";
import { trace } from "../../../../science/tensor/trace/trace.ts";
import { float32 } from "../../../support/tensors.ts";

const SHAPE: [number, number, number, number] = [3, 3, 2, 4];
const [START, COUNT, WHOLE] = [4, 72, 80];
const CARRIED = ["params", "m", "v", "ema"];
const INPUTS = {
  ...Object.fromEntries(CARRIED.map((name) => [name, float32(WHOLE)])),
  ...{ x: float32(1, 5, 5, 2), k: float32(COUNT), scalar: float32() },
};
type Tensors = Record<string, tf.Tensor>;
const part = (vector: tf.Tensor) => tf.slice(vector, START, COUNT);

/** An update of one filter between other weights; `more` reads what it likes besides. */
function step(more: (inputs: Tensors, flat: tf.Tensor) => Tensors) {
  return (inputs: Tensors): Tensors => {
    const { params, m, v, ema, x, scalar } = inputs as Record<string, tf.Tensor> & Record<"params", tf.Tensor>;
    const loss = (filter: tf.Tensor) =>
      tf.sum(tf.square(tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, "same"))) as tf.Scalar;
    const [gradient] = tf.valueAndGrads(loss as (...args: tf.Tensor[]) => tf.Scalar)([
      tf.reshape(part(params), SHAPE),
    ]).grads;
    const flat = tf.reshape(gradient!, [COUNT]);
    const settings = { learningRate: scalar!, biasCorrection1: scalar!, biasCorrection2: scalar! };
    const next = adamStep({ params: part(params), m: part(m!), v: part(v!) }, flat, scalar!, settings);
    const parts: Tensors = { ...next, ema: emaStep(part(ema!), next.params, scalar!) };
    const joined = CARRIED.map((name) => {
      const rest = [tf.slice(inputs[name]!, 0, START), tf.slice(inputs[name]!, START + COUNT)];
      return [name, tf.concat([rest[0]!, parts[name]!, rest[1]!])] as const;
    });
    return { ...Object.fromEntries(joined), norm: globalNorm([flat]), ...more(inputs, flat) };
  };
}

const filtersOf = async (fn: (inputs: Tensors) => Tensors, carried = CARRIED) => {
  await tf.ready();
  const { filters } = withHeldFilters(trace(fn, INPUTS, "step", { kernels: LAYER_TRANSLATIONS }), carried);
  return filters.map(({ names, start, shape }) => ({ names, start, shape }));
};

Deno.test("a filter that convolutions alone read is held in their order, with its moments and average", async () => {
  assertEquals(await filtersOf(step(() => ({}))), [{ names: CARRIED, start: START, shape: SHAPE }]);
});

const OTHERS: Readonly<Record<string, (inputs: Tensors, flat: tf.Tensor) => Tensors>> = {
  "its gradient is returned": (_, flat) => ({ flat }),
  "its gradient is weighted": ({ k }, flat) => ({ sum: tf.sum(tf.mul(flat, k!)) }),
  "rows of its gradient are summed": (_, flat) => ({ rows: tf.sum(tf.reshape(tf.square(flat), [9, 8]), 1) }),
  "its weights are returned": ({ params }) => ({ weights: part(params!) }),
  "its weights are read by position": ({ params }) => ({ first: tf.slice(params!, START + 1, 2) }),
  "its filter is returned": ({ params }) => ({ filter: tf.reshape(part(params!), SHAPE) }),
  "a moment is weighted": ({ m, k }) => ({ sum: tf.sum(tf.mul(part(m!), k!)) }),
  "the whole vector is weighted": ({ ema }) => ({ sum: tf.sum(tf.mul(ema!, tf.range(0, WHOLE))) }),
};
for (const [what, more] of Object.entries(OTHERS)) {
  Deno.test(`a filter keeps its order where ${what}`, async () => assertEquals(await filtersOf(step(more)), []));
}

Deno.test("a filter keeps its order where an average is not carried", async () => {
  assertEquals(await filtersOf(step(() => ({})), ["params", "m", "v"]), []);
});
