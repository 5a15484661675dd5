import { BYTES } from "../../../science/diffusion/normalizer.ts";
import * as tf from "@tensorflow/tfjs-core";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { z } from "zod";
import type { StoredCheckpoint } from "../../../artifacts/checkpoint.ts";
import { defineSampler, type SamplerDefinition } from "../../../science/diffusion/define.ts";
import { makeNetwork, oneHotLabels } from "../../../science/diffusion/network.ts";
import { makeObjective } from "../../../science/diffusion/objective.ts";
import { OBJECTIVES } from "../../../science/diffusion/objectives.ts";
import { chainPath } from "../../../science/diffusion/path.ts";
import { builtinSampler, samplerParams } from "../../../science/diffusion/samplers.ts";
import { makeBetas } from "../../../science/diffusion/schedule/betas.ts";
import { makeTables } from "../../../science/diffusion/schedule/tables.ts";
import { makePredictor, type PredictorOptions } from "../../../stages/shared/draw/predictor.ts";
import { NonFiniteImages, openSampler, SamplerError } from "../../../stages/shared/draw/walk.ts";
import { failedBy } from "../../../stages/shared/checks.ts";
import { tfjsDevice } from "../../support/tfjs_device.ts";
import { assertAllClose } from "../science/diffusion/assert_close.ts";

const path = chainPath(makeTables(makeBetas({ name: "ho/linear", timesteps: 100 })));

/** A network of one weight for images of 1x2x1, on the host and in TF.js. */
const hostOutput = (x: number, t: number, label: number, weight: number) =>
  weight * Math.tanh(x) + t / 100 + 0.2 * label;

function checkpointOf(
  { weight = 0.5, classes, learned = false, objective = "v" }: {
    weight?: number;
    classes?: number;
    learned?: boolean;
    objective?: keyof typeof OBJECTIVES;
  } = {},
): StoredCheckpoint {
  const sizes = {
    height: 1,
    width: 2,
    channels: 1,
    outChannels: learned ? 2 : 1,
    ...(classes === undefined ? {} : { classes }),
  };
  const network = makeNetwork(sizes, {
    parameters: [{ name: "weight", shape: [1], init: "ones" }],
    forward({ weights, x, t, labels }) {
      const time = tf.reshape(tf.cast(t, "float32"), [-1, 1, 1, 1]);
      const told = labels === undefined
        ? tf.zerosLike(time)
        : tf.reshape(tf.matMul(labels as tf.Tensor2D, tf.expandDims(tf.range(0, classes! + 1), 1) as tf.Tensor2D), [
          -1,
          1,
          1,
          1,
        ]);
      const prediction = tf.add(tf.add(tf.mul(weights["weight"]!, tf.tanh(x)), tf.div(time, 100)), tf.mul(told, 0.2));
      return learned ? tf.concat([prediction, tf.tanh(x)], -1) : prediction;
    },
  });
  return {
    network,
    form: BYTES,
    path,
    objective: makeObjective(OBJECTIVES[objective], {}),
    params: Float32Array.of(weight),
  } as unknown as StoredCheckpoint;
}

/** Returns x0 from v, not clipped. */
const x0Of = (x: number, t: number, output: number) => path.signal(t) * x - path.noise(t) * output;

async function predictOnce(
  checkpoint: StoredCheckpoint,
  { t = 40, labels, ...options }: Partial<PredictorOptions> & { t?: number; labels?: number[] },
) {
  const { device, batches } = tfjsDevice();
  const { predict } = await makePredictor(checkpoint, { device, batchSize: 2, clip: "none", ...options });
  const x = Float32Array.of(0.3, -1.2, 2, 0.7);
  const told = await predict(x, t, labels && oneHotLabels(labels, 3));
  return { ...told, x: [...x], batches };
}

Deno.test("a prediction is the objective's x0, and the noise and the fraction of the variance that belong to it", async () => {
  const { x, x0, eps, variance, output, batches } = await predictOnce(checkpointOf({ learned: true }), {});
  const outputs = x.map((value) => hostOutput(value, 40, 0, 0.5));
  assertAllClose(x0, x.map((value, i) => x0Of(value, 40, outputs[i]!)), { abs: 1e-6 });
  assertAllClose(eps, x.map((value, i) => (value - path.signal(40) * x0[i]!) / path.noise(40)), { abs: 1e-6 });
  assertAllClose(variance!, x.map((value) => (Math.tanh(value) + 1) / 2), { abs: 1e-6 });
  assertEquals([output.length, batches], [8, [2]]);
  // TF.js's float32 against numbers computed on the host.
  assertAllClose(output.filter((_, i) => i % 2 === 0), outputs, { abs: 1e-6 });
});

Deno.test("guidance goes from the prediction without a label to that with it, and beyond, in one batch of twice the size", async () => {
  for (const guidance of [0, 2.5]) {
    const { x, x0, batches } = await predictOnce(checkpointOf({ classes: 3 }), { guidance, labels: [1, 2] });
    const wanted = x.map((value, i) => {
      // The last column, 3, means no label.
      const [told, none] = [i < 2 ? 1 : 2, 3].map((label) => x0Of(value, 40, hostOutput(value, 40, label, 0.5)));
      return none! + guidance * (told! - none!);
    });
    assertAllClose(x0, wanted, { abs: 2e-6 });
    assertEquals(batches, [4]);
  }
});

Deno.test("guidance by another network goes away from it in x0, whatever its objective, with the same labels", async () => {
  const guide = checkpointOf({ weight: -0.2, classes: 3, objective: "x0", learned: true });
  const { x, x0, batches } = await predictOnce(checkpointOf({ classes: 3 }), { guidance: 3, guide, labels: [1, 2] });
  const wanted = x.map((value, i) => {
    const label = i < 2 ? 1 : 2;
    const [good, bad] = [x0Of(value, 40, hostOutput(value, 40, label, 0.5)), hostOutput(value, 40, label, -0.2)];
    return bad + 3 * (good - bad);
  });
  assertAllClose(x0, wanted, { abs: 2e-6 });
  assertEquals(batches, [2, 2]);
});

Deno.test("outside its interval there is no guidance, and the network is asked once", async () => {
  const sigma = path.noise(40) / path.signal(40);
  const at = async (from: number, to: number) =>
    await predictOnce(checkpointOf({ classes: 3 }), { guidance: 2, guidanceInterval: { from, to }, labels: [1, 2] });
  const plain = await predictOnce(checkpointOf({ classes: 3 }), { labels: [1, 2] });
  for (const [from, to] of [[sigma, 80], [0, sigma * 0.99]] as const) {
    const { x0, batches } = await at(from, to);
    assertEquals([[...x0], batches], [[...plain.x0], [2]]);
  }
  assertEquals((await at(0, sigma)).batches, [4]);
});

Deno.test("clipped, x0 is within [-1, 1] and its noise still gives x back", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("unit" as const, "dynamic" as const),
      fc.double({ min: -3, max: 3, noNaN: true }),
      fc.integer({ min: 0, max: 99 }),
      async (clip, weight, t) => {
        const { x, x0, eps } = await predictOnce(checkpointOf({ weight }), { clip, clipQuantile: 0.5, t });
        assert(x0.every((value) => Math.abs(value) <= 1));
        // eps is float32 of up to 2 / noise.
        assertAllClose(x0.map((value, i) => path.signal(t) * value + path.noise(t) * eps[i]!), x, { abs: 1e-6 });
      },
    ),
    { numRuns: 30 },
  );
});

/** Returns a user's sampler that wraps DDIM's loop, with one thing wrong. */
function own(wrong: Partial<SamplerDefinition>) {
  const { definition, params } = builtinSampler(samplerParams.parse({ name: "ddim", steps: 3 }));
  const sampler = { params: z.strictObject({}), times: definition.times, sample: definition.sample, ...wrong };
  return {
    definition: defineSampler(sampler),
    params,
    uses: "./mine.ts",
    record: { uses: "mine.ts", code: "", params: {} },
  };
}

async function walkWith(wrong: Partial<SamplerDefinition>, checkpoint = checkpointOf()) {
  const { device } = tfjsDevice();
  const { begin, times } = await openSampler(checkpoint, { device, batchSize: 2, sampler: own(wrong) });
  const noise = () => new Float32Array(4);
  const walk = begin({ onStep: () => {} });
  return await walk({ x: Float32Array.of(1, 2, 3, 4), times, noise });
}

Deno.test("what a sampler of one's own does wrong is told with its file", async () => {
  const faults: Record<string, Partial<SamplerDefinition>> = {
    "never finishes": {
      async sample({ x, predict }) {
        while (true) await predict(x, 5);
      },
    },
    "times: got 60 at place 2, wanted times of the path that fall": { times: () => [80, 50, 60, -1] },
    "times: got 100 at place 0": { times: () => [100, 50, -1] },
    "times: got 2 times to 0": { times: () => [50, 0] },
    "times: got 0 times to undefined": { times: () => [] },
    "steps must be even": {
      times() {
        throw new RangeError("steps must be even");
      },
    },
    "too many: got 3, wanted 2": {
      check: () => [{ param: ["steps"], message: "too many", got: "3", wanted: "2" }],
    },
    "predict: got 3 numbers, wanted 4": { sample: async ({ x, predict }) => (await predict(x.slice(1), 5)).x0 },
    "predict: got time -1, wanted a time of the path, 0 to 99": {
      sample: async ({ x, predict }) => (await predict(x, -1)).x0,
    },
    "predict: got time 2.5": { sample: async ({ x, predict }) => (await predict(x, 2.5)).x0 },
    "sample did not return images: got 2 numbers, wanted a Float32Array of 4": {
      sample: ({ x }) => Promise.resolve(x.slice(2)),
    },
    "sample gave back a number that is NaN": { sample: ({ x }) => Promise.resolve(x.fill(NaN)) },
  };
  for (const [message, wrong] of Object.entries(faults)) {
    const { message: text, problem } = await assertRejects(() => walkWith(wrong), SamplerError);
    const end = failedBy({ ...problem, message: text }) as { readonly message: string };
    assertStringIncludes(end.message, `sampler ./mine.ts: ${message}`);
  }
  // Another engine may compute finite numbers.
  await assertRejects(() => walkWith({ sample: ({ x }) => Promise.resolve(x.fill(NaN)) }), NonFiniteImages);
  assertEquals((await walkWith({})).length, 4);
});

Deno.test("a sampler that needs a chain is refused on another path", async () => {
  const checkpoint = { ...checkpointOf(), path: { ...path, tables: undefined } };
  await assertRejects(() => walkWith({ needs: "chain" }, checkpoint), SamplerError, "needs the chain");
  assertEquals((await walkWith({}, checkpoint)).length, 4);
});

Deno.test("an objective without a recovery gives its sampler the output alone", async () => {
  const objective = { ...checkpointOf().objective, recover: undefined };
  const { x, x0, eps, output } = await predictOnce({ ...checkpointOf(), objective }, { clip: "unit" });
  assert([...x0, ...eps].every(Number.isNaN));
  assertAllClose(output, x.map((value) => hostOutput(value, 40, 0, 0.5)), { abs: 1e-6 });
});
