import { diffusionLoss } from "../../../science/diffusion/diffusion_loss.ts";
import { assertEquals } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import "../../../science/tensor/complete_tfjs.ts";
import { ADAM } from "../../../science/diffusion/recipe.ts";
import { makeNetwork } from "../../../science/diffusion/network.ts";
import { dense, denseParameters } from "../../../science/diffusion/layers.ts";
import { adamStep } from "../../../science/diffusion/optimizer.ts";
import { adamSettings } from "../../../science/diffusion/recipe.ts";
import { trainParams } from "../../../stages/train/params.ts";
import { learningRateAt, makeStepper, trainSteps } from "../../../stages/shared/training.ts";
import { openDevice } from "../../../science/tensor/implementations.ts";
import { SIMPLE_LOSS } from "../../support/objectives.ts";
import { assertAllClose } from "../science/diffusion/assert_close.ts";
import { lcgValues } from "../science/metrics/lcg.ts";
import oracle from "../../golden/torch/recipe.json" with { type: "json" };

/**
 * The oracle is PyTorch with diffusers in float64: tests/peers/torch/recipe.py. These steps are float32, 6e-8 relative
 * to the largest number of a sum; the parameters are below 2.
 */
const ROUNDING = 6e-8;

await tf.setBackend("cpu");

const floats = (seed: number, count: number) => Float32Array.from(lcgValues(seed, count));

for (const { constants, after } of oracle.optimizers) {
  Deno.test(`adamStep() is torch.optim.AdamW with ${JSON.stringify(constants)}`, () => {
    let state = { params: tf.tensor1d(floats(1, 5)) as tf.Tensor, m: tf.zeros([5]), v: tf.zeros([5]) };
    after.forEach((wanted, i) => {
      const numbers = Object.entries(adamSettings(i + 1, 0.01, constants));
      const settings = Object.fromEntries(numbers.map(([name, x]) => [name, tf.scalar(x)]));
      state = adamStep(state, tf.tensor1d(floats(100 + i, 5)), tf.scalar(1), settings as never, constants);
      // Each update rounds the parameter once, and is itself at most 0.04 with a few roundings.
      assertAllClose(state.params.dataSync(), wanted, { abs: (i + 2) * ROUNDING, label: `after update ${i + 1}` });
    });
  });
}

Deno.test("learningRateAt() has the rates of diffusers' get_scheduler, whose updates count from 0", () => {
  const [warmup, until] = [4, 20];
  const wanted = {
    constant: { warmupSteps: 0 },
    constant_with_warmup: { warmupSteps: warmup },
    linear: { warmupSteps: warmup, learningRateDecay: { shape: "linear", until, floor: 0 } },
    cosine: { warmupSteps: warmup, learningRateDecay: { shape: "cosine", until, floor: 0 } },
  } as const;
  assertEquals(Object.keys(wanted), Object.keys(oracle.schedules));
  for (const [name, params] of Object.entries(wanted)) {
    const rates = Array.from({ length: until + 1 }, (_, step) => {
      return learningRateAt(step, { learningRate: 1, learningRateDecay: undefined, ...params });
    });
    assertAllClose(rates, oracle.schedules[name as "linear"], { abs: 1e-15, label: name });
  }
});

Deno.test("adamStep() at the end of a decay to 0 leaves every parameter as it is, also one without a gradient", () => {
  for (const constants of [ADAM, { ...ADAM, weightDecay: 0.1 }]) {
    const settings = Object.entries(adamSettings(1, 0, constants)).map(([name, x]) => [name, tf.scalar(x)] as const);
    const [params, zeros] = [tf.tensor1d([1, -2, 0, 1e-12]), tf.zeros([4])];
    const grads = tf.tensor1d([0, 3, 0, 1e-3]);
    const next = adamStep({ params, m: zeros, v: zeros }, grads, tf.scalar(1), Object.fromEntries(settings) as never);
    assertEquals(next.params.dataSync(), params.dataSync());
  }
});

for (const microBatches of [1, 3]) {
  Deno.test(`a training in ${microBatches} micro-batches is PyTorch's with accumulated gradients, AdamW, a schedule and averages`, async () => {
    const [batch, channels] = [6, 3];
    const sizes = { height: 2, width: 2, channels, outChannels: channels };
    const network = makeNetwork(sizes, {
      parameters: denseParameters("layer", channels, channels),
      forward: ({ weights, x }) => dense(weights, "layer", x),
    });
    const { objective: _, ...given } = trainParams.parse({
      ...{ steps: 24, batchSize: batch, microBatches },
      ...{ learningRate: 0.02, warmupSteps: 4, learningRateDecay: { shape: "cosine", until: 20, floor: 0 } },
      adam: { beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weightDecay: 0.1 },
      gradClip: 1e6,
      ema: { decay: 0.9, warmup: false, others: { slow: 0.99, fast: 0.5 } },
    });
    const params = { ...given, ...SIMPLE_LOSS };
    const start = new Float32Array([...lcgValues(1, 9), ...lcgValues(2, 3)]);
    const zeros = () => new Float32Array(start.length);
    const device = await openDevice("onnx", { threads: 1 });
    const levels = Float64Array.from({ length: batch }, (_, i) => 0.1 + 0.8 * i / (batch - 1));
    const [ema, slow, fast] = [start.slice(), start.slice(), start.slice()];
    const vectors = { params: start, m: zeros(), v: zeros(), ema, "ema-slow": slow, "ema-fast": fast };
    const take = trainSteps({ log: [] }, {
      stepper: await makeStepper(device, { loss: diffusionLoss(network, params), params, vectors }),
      batch: {
        at: (step) => ({
          x0: floats(1000 + step, batch * 12),
          noise: floats(2000 + step, batch * 12),
          t: new Int32Array(batch),
          sqrtAlphasCumprod: Float32Array.from(levels, (level) => Math.sqrt(1 - level ** 2)),
          sqrtOneMinusAlphasCumprod: Float32Array.from(levels),
        }),
        prepare: () => {},
      },
      params,
    });
    const losses: number[] = [];
    let last;
    for (let step = 1; step <= 24; step++) {
      last = await take(step);
      losses.push(last.loss);
    }
    const { losses: wanted, params: weights, averages } = oracle.training;
    // A loss has a few roundings of its own beside those of the parameters.
    assertAllClose(losses, wanted, { rel: 50 * ROUNDING });
    const { vectors: got } = await last!.state();
    assertAllClose(got.params, weights, { abs: 50 * ROUNDING, label: "parameter" });
    for (const [name, wanted] of Object.entries(averages)) {
      const average = got[name === "ema" ? "ema" : `ema-${name}` as const]!;
      assertAllClose(average, wanted, { abs: 50 * ROUNDING, label: `average ${name}` });
    }
    await device.dispose();
  });
}
