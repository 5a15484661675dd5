import { assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { defineNetwork, defineObjective, definePath, defineSampler, mix, type SamplerDefinition } from "noiseline";
import { dense, denseParameters } from "noiseline/layers";
import { checkNetwork, checkObjective, checkPath, checkSampler } from "noiseline/testing";
import { z } from "zod";
import { OBJECTIVES } from "../../../../science/diffusion/objectives.ts";
import { builtinSampler, samplerParams } from "../../../../science/diffusion/samplers.ts";

const params = z.strictObject({});

/** TensorFlow crashes in a process in which other tests have loaded graphics drivers. */
const devices = ["onnx", "wasm"] as const;

/** Returns a check's message about a definition; empty if the check passes. */
async function saidBy(check: Promise<void>): Promise<string> {
  return await check.then(() => "", (error: Error) => error.message);
}

/** Returns a network of two layers with something between them. */
const network = (between: (x: tf.Tensor) => tf.Tensor, more: string[] = []) =>
  defineNetwork({
    params,
    build: ({ channels, outChannels }) => ({
      parameters: [
        ...denseParameters("in", channels, 4),
        ...denseParameters("out", 4, outChannels),
        ...more.map((name) => ({ name, shape: [2], init: "zeros" as const })),
      ],
      forward: ({ weights, x }) => dense(weights, "out", between(dense(weights, "in", x))),
    }),
  });

Deno.test("checkNetwork() lets a network pass that is as it must be", async () => {
  await checkNetwork(network(tf.tanh), { sizes: { channels: 3 }, devices });
  // A kink is not a wrong gradient.
  await checkNetwork(network(tf.relu), { sizes: { height: 4, width: 6, classes: 2 }, devices });
});

Deno.test("checkNetwork() finds a gradient that is not that of the numbers", async () => {
  const twice = tf.customGrad((x) => ({
    value: tf.tanh(x as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => tf.mul(dy, 2),
  })) as (x: tf.Tensor) => tf.Tensor;
  const said = await saidBy(checkNetwork(network(twice), { devices }));
  assertMatch(said, /- the derivative by parameter in\.kernel: got .*, wanted about .*\n/);
  assertEquals(said.includes("out.kernel"), false);
});

Deno.test("checkNetwork() finds what is left behind, what is kept, what differs and what nothing depends on", async () => {
  const kept: tf.Tensor[] = [];
  const keeps = network((x) => (kept.push(tf.keep(tf.square(x))), x));
  assertMatch(await saidBy(checkNetwork(keeps, { devices })), /tensors left after a call: got \d+, wanted 0 \(fix: /);
  let scale = 0;
  assertMatch(
    await saidBy(checkNetwork(network((x) => tf.mul(x, ++scale)), { devices })),
    /two traces of the output differ/,
  );
  assertMatch(
    await saidBy(checkNetwork(network(tf.tanh, ["idle"]), { devices })),
    /does not depend on 1 of 5 parameters, such as idle/,
  );
  assertMatch(
    await saidBy(checkNetwork(network((x) => tf.concat([x, x], 1)), { devices })),
    /the shape of the output.*\[2, 16, 8, 1\]/,
  );
  const mixing = network((x) => tf.add(x, tf.mean(x, 0, true)));
  assertMatch(
    await saidBy(checkNetwork(mixing, { devices })),
    /for an image depends on the others of its batch, at file:.*check_definitions_test\.ts:\d+:\d+ \(fix: /,
  );
  // The shapes of these networks' outputs are correct.
  const swapped = network((x) => tf.add(x, tf.reverse(x, 0)));
  assertMatch(await saidBy(checkNetwork(swapped, { devices })), /an image among others: got another output/);
  const nan = network((x) => tf.log(tf.neg(tf.square(x))));
  assertMatch(await saidBy(checkNetwork(nan, { devices })), /device onnx: numbers are not finite/);
});

Deno.test("checkObjective() lets the toolkit's own objectives pass, and all mixtures that can be solved", async () => {
  for (const objective of Object.values(OBJECTIVES)) await checkObjective(objective);
  await fc.assert(
    fc.asyncProperty(fc.double({ min: -3, max: 0, noNaN: true }), async (x0) => {
      // If both factors have the same sign and the signal falls, the two equations are never the same.
      await checkObjective(defineObjective({ params, target: () => ({ x0, noise: 1 }) }));
    }),
    { numRuns: 20 },
  );
});

Deno.test("checkObjective() finds targets, weights and recoveries that are wrong", async () => {
  const said = await saidBy(checkObjective(defineObjective({
    params,
    target: ({ signal, noise }) => ({ x0: -noise, noise: signal }),
    weight: ({ t }) => 500 - t,
    // The sign of v is wrong.
    recover: ({ signal, noise }) => ({ x0: { xt: signal, output: noise }, eps: { xt: noise, output: signal } }),
  })));
  assertMatch(
    said,
    /on a chain:\n- the weight at t=999: got -499, wanted at least 0, and finite\n- x_0 from a perfect prediction at t=999: got /,
  );
  const same = defineObjective({ params, target: ({ signal, noise }) => ({ x0: signal, noise }) });
  assertMatch(await saidBy(checkObjective(same)), /on a chain:\n- x_0 from a perfect prediction at t=\d+: got /);
});

Deno.test("checkObjective() holds free losses to differences in which what is stopped stands still", async () => {
  const recover = () => ({ xt: 0, output: 1 });
  await checkObjective(
    defineObjective({
      params,
      loss({ predict, x0, xt, t, stopGradient }) {
        const own = stopGradient(predict(tf.mul(xt, 0.5), t));
        const averaged = predict(xt, t, { averaged: true });
        return tf.mean(tf.square(tf.sub(tf.add(predict(xt, t), tf.mul(own, averaged)), x0)), [1, 2, 3]);
      },
      recover,
    }),
    { devices },
  );
  const squares = (scale: number) =>
    defineObjective({
      params,
      figures: ({ t }) => ({ scale: t === 0 ? scale : 1 }),
      loss({ predict, x0, xt, t, figures }) {
        return tf.mean(tf.mul(figures["scale"]!, tf.square(tf.sub(predict(xt, t), x0))), [1, 2, 3]);
      },
      recover,
    });
  await checkObjective(squares(2), { devices });
  assertMatch(await saidBy(checkObjective(squares(NaN), { devices })), /figure\.?\s?scale/i);
  const scalar = defineObjective({ params, loss: ({ predict, xt, t }) => tf.mean(predict(xt, t)), recover });
  assertMatch(
    await saidBy(checkObjective(scalar, { devices })),
    /the shape of the loss, for a batch of 2: got float32 \[\]/,
  );
});

Deno.test("checkPath() says what the schedule stage would, and passes what it lets pass", async () => {
  await checkPath(definePath({ params, signal: (u) => 1 - u, noise: (u) => u }));
  const wrong = definePath({ params, signal: (u) => 1 - u ** 2, noise: (u) => u, draw: () => 0 });
  assertMatch(await saidBy(checkPath(wrong)), /training would draw times that are not on the path/);
  // The stage only warns about this.
  await checkPath(definePath({ params, signal: (u) => 1 - u / 2, noise: (u) => u }), { timesteps: 50 });
});

/** Euler's method, with an optional mistake. */
const euler = (mistake: Partial<SamplerDefinition> & { readonly at?: (t: number) => number } = {}) =>
  defineSampler({
    params: z.strictObject({ steps: z.int().min(1).default(50) }),
    times: ({ steps }, path) => path.times(steps),
    async sample({ x, times, path, predict }) {
      for (let k = 0; k + 1 < times.length; k++) {
        const next = times[k + 1]!;
        const { x0, eps } = await predict(x, times[k]!);
        x = mix([path.signal(next), x0], [path.noise(mistake.at?.(next) ?? next), eps]);
      }
      return x;
    },
    ...mistake as object,
  });

Deno.test("checkSampler() lets the toolkit's own samplers pass", async () => {
  for (const name of ["ancestral", "ddim", "dpmpp-2m", "heun"]) {
    const { definition, params } = builtinSampler(samplerParams.parse({ name }));
    assertEquals(await saidBy(checkSampler(definition, { params })), "", name);
  }
  await checkSampler(euler(), { params: { steps: 7 } });
});

Deno.test("checkSampler() finds samplers that end elsewhere, ask too often or mix images up", async () => {
  // Too little noise after each step.
  const less = await saidBy(checkSampler(euler({ at: (t) => Math.max(-1, t - 15) })));
  assertMatch(less, /on a chain:\n- deviation after 50 evaluations: got .*, wanted 0\.5, give or take 0\.05953/);
  const greedy = euler({ evaluations: () => 49 });
  assertMatch(await saidBy(checkSampler(greedy)), /evaluations: got 50 and more, wanted at most 49/);
  const { sample } = euler();
  const shy = euler({
    async sample(inputs) {
      const images = await sample(inputs as Parameters<typeof sample>[0]);
      const mean = images.reduce((sum, value) => sum + value, 0) / images.length;
      return images.map((value) => value + 1e-3 * mean);
    },
  });
  assertMatch(await saidBy(checkSampler(shy)), /an image drawn alone: got other numbers than in a batch/);
  const half = euler({ sample: async (inputs) => (await sample(inputs as Parameters<typeof sample>[0])).slice(1) });
  assertMatch(await saidBy(checkSampler(half)), /what sample gives back: got 16383, wanted a Float32Array of 16384/);
  const chance = euler({
    async sample(inputs) {
      return (await sample(inputs as Parameters<typeof sample>[0])).map((value) => value + 1e-3 * Math.random());
    },
  });
  assertMatch(await saidBy(checkSampler(chance)), /the same walk taken again: got other numbers.*noise\(k\)/);
  const nan = euler({
    async sample({ x, times, path, predict }) {
      for (const [k, t] of times.slice(0, -1).entries()) {
        const { x0, eps } = await predict(x, t);
        x = mix([path.signal(times[k + 1]!), x0], [path.noise(times[k + 1]!), eps]);
        // The root of a number below 0 from here on, in the first image only.
        x[0] = Math.sqrt(times[k + 1]! < 500 ? -1 : x[0]! ** 2) * Math.sign(x[0]!);
      }
      return x;
    },
  });
  assertMatch(
    await saidBy(checkSampler(nan)),
    /on a chain:\n- x at evaluation 26 of 50, t=499: got NaN at index 0 \(image 0\), wanted finite numbers/,
  );
  const last = euler({
    async sample(inputs) {
      return (await sample(inputs as Parameters<typeof sample>[0])).with(3 * 64 + 5, Infinity);
    },
  });
  assertMatch(
    await saidBy(checkSampler(last)),
    /x after the last of 50 evaluations, t=-1: got Infinity at index 197 \(image 3\)/,
  );
  const endless = euler({ times: (_, path) => [path.timesteps - 1, 10, 0] });
  assertMatch(await saidBy(checkSampler(endless)), /times: got 3 times to 0, wanted times .* to -1/);
});

Deno.test("a definition that has not what it must have is refused where it is written", () => {
  const forms = [
    [() => defineNetwork({ params } as never), "network: got none, wanted a function build"],
    [() => definePath({ params, noise: (u: number) => u } as never), "path: got none, wanted a function signal"],
    [() => defineSampler({ params, times: () => [] } as never), "sampler: got none, wanted a function sample"],
    [
      () => defineObjective({ params, targt: () => 0 } as never),
      "objective: got none, wanted a function target or loss",
    ],
    [
      () => defineObjective({ params, target: () => 0, loss: () => 0 } as never),
      "objective: got target and loss, wanted",
    ],
    [() => defineObjective({ params, loss: () => 0 } as never), "got neither recover nor sampler, wanted one of them"],
  ] as const;
  for (const [define, says] of forms) assertStringIncludes(assertThrows(define, TypeError).message, says);
});

Deno.test("the checks refuse params as a pipeline does", async () => {
  await assertRejects(() => checkSampler(euler(), { params: { steps: 0 } }), z.ZodError);
});
