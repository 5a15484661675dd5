import { BYTES } from "../../../science/diffusion/normalizer.ts";
import * as tf from "@tensorflow/tfjs-core";
import { assert, assertEquals } from "@std/assert";
import type { StoredCheckpoint } from "../../../artifacts/checkpoint.ts";
import { makeNetwork } from "../../../science/diffusion/network.ts";
import { makeObjective } from "../../../science/diffusion/objective.ts";
import { definedPath } from "../../../science/diffusion/path.ts";
import flow from "../../../pipelines/research/flow.ts";
import heun from "../../../pipelines/research/flow_heun.ts";
import velocity from "../../../pipelines/research/velocity.ts";
import { makePredictor, type PredictorOptions } from "../../../stages/shared/draw/predictor.ts";
import { tfjsDevice } from "../../support/tfjs_device.ts";
import { assertAllClose } from "../science/diffusion/assert_close.ts";

const T = 1250;
const PATH = definedPath(flow, flow.params.parse({}), T);
const DEVIATION = 0.3;
const NOISE = [-1.5, 0.2, 2];

/**
 * Returns the network that has learned N(mean, s^2) perfectly: E[x_0 | x] = m + gain (x - (1 - u) m) with gain = (1 -
 * u) s^2 / ((1 - u)^2 s^2 + u^2), and from it the velocity (x - x_0) / u.
 */
function gaussian(mean: number): StoredCheckpoint {
  const network = makeNetwork({ height: 1, width: 3, channels: 1, outChannels: 1 }, {
    parameters: [{ name: "mean", shape: [1], init: "zeros" }],
    forward({ weights, x, t }) {
      const u = tf.reshape(tf.div(tf.add(t, 1), T), [-1, 1, 1, 1]);
      const signal = tf.sub(1, u);
      const spread = tf.add(tf.mul(tf.square(signal), DEVIATION ** 2), tf.square(u));
      const gain = tf.div(tf.mul(signal, DEVIATION ** 2), spread);
      const m = weights["mean"]!;
      const x0 = tf.add(m, tf.mul(gain, tf.sub(x, tf.mul(signal, m))));
      return tf.div(tf.sub(x, x0), u);
    },
  });
  const made = {
    network,
    form: BYTES,
    path: PATH,
    objective: makeObjective(velocity, {}),
    params: Float32Array.of(mean),
  };
  return made as unknown as StoredCheckpoint;
}

async function draw(options: Partial<PredictorOptions>): Promise<Float32Array> {
  const { device } = tfjsDevice();
  const predictor = await makePredictor(gaussian(0.4), { device, batchSize: 1, clip: "none", ...options });
  const params = { steps: 60 };
  return await heun.sample({
    x: Float32Array.from(NOISE),
    times: heun.times(params, PATH),
    path: PATH,
    params,
    predict: (x, t) => predictor.predict(x, t, undefined),
    noise: () => new Float32Array(NOISE.length),
  });
}

Deno.test("autoguidance from N(m_0, s^2) to N(m_1, s^2) draws N(m_0 + w (m_1 - m_0), s^2)", async () => {
  // The denoiser is linear in the mean, so the guided denoiser is that of the extrapolated mean.
  for (const w of [0, 1, 1.5, 3]) {
    const got = await draw({ guide: gaussian(0.1), guidance: w });
    // Heun's error with 60 steps is below 1e-3 (see the test of its order).
    assertAllClose(got, NOISE.map((z) => 0.1 + w * (0.4 - 0.1) + DEVIATION * z), { abs: 2e-3, label: `w = ${w}` });
  }
});

Deno.test("autoguidance within an interval moves less, and not at all in an interval that is never visited", async () => {
  const guide = { guide: gaussian(0.1), guidance: 3 };
  const plain = await draw({});
  const all = await draw(guide);
  const within = await draw({ ...guide, guidanceInterval: { from: 0.3, to: 3 } });
  within.forEach((x, i) => assert(plain[i]! + 0.05 < x && x < all[i]! - 0.05, `${plain[i]} ${x} ${all[i]}`));
  assertEquals(await draw({ ...guide, guidanceInterval: { from: 1e9, to: 2e9 } }), plain);
});
