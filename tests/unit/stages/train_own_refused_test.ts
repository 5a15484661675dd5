import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import {
  defineNetwork,
  defineObjective,
  definePath,
  type FreeObjective,
  type MixtureObjective,
  type NetworkCode,
  sortOf,
  type TimePoint,
} from "../../../science/diffusion/define.ts";
import { describeDefinition } from "../../../stages/shared/describe_definition.ts";
import { scheduleKind, trainKind } from "../../support/builtin_kinds.ts";
import { freeEps, none, own, said, vLike } from "./own_definitions.ts";
import { smallWorld, trainSmall, withFolder } from "./small_world.ts";

Deno.test("what does not fit an objective of one's own is said before anything runs", () => {
  const check = (definition: unknown, params: object) =>
    trainKind.check!({ ...trainKind.params.parse({ steps: 1, ...params }), objective: { uses: "./mine.ts" } }, {}, {
      objective: describeDefinition(definition, {}),
    }).problems.map(({ param, message }) => `${param}: ${message}`);
  const weighted = { ...vLike, weight: () => 1 };
  assertEquals(check(vLike, { weighting: "min-snr" }), []);
  assertEquals(check(weighted, { weighting: "min-snr" }), [
    "weighting: ./mine.ts is an objective with weights of its own",
  ]);
  assertEquals(check(freeEps(), { weighting: "vlb", variance: "learned" }), [
    "weighting: ./mine.ts is an objective with a loss of its own",
    "variance: ./mine.ts is an objective with a loss of its own",
  ]);
  const facts = { zeroTerminalSnr: true, timesteps: 10, betas: "x" };
  const onZero = (definition: unknown) =>
    trainKind.check!(
      { ...trainKind.params.parse({ steps: 1 }), objective: { uses: "./mine.ts" } },
      { schedule: facts },
      { objective: describeDefinition(definition, {}) },
    ).problems.length;
  assertEquals([onZero(freeEps()), onZero(vLike)], [1, 0]);

  const onPath = (path: unknown, params: object) =>
    trainKind.check!(trainKind.params.parse({ steps: 1, ...params }), {
      schedule: scheduleKind.check!({ uses: "./flow.ts", timesteps: 10 } as never, {}, {
        "": describeDefinition(path, { timesteps: 10 }),
      }).facts!["schedule"]!,
    }).problems.map(({ message, got }) => `${message}: ${got}`);
  const straight = definePath({ params: none, signal: (u) => 1 - u, noise: (u) => u });
  const drawn = { ...straight, draw: ({ uniform }: { uniform: number }) => 1 - uniform ** 2 };
  const lossAware = { objective: "x0", timestepSampler: "loss-aware" };
  assertEquals(onPath(straight, lossAware), []);
  assertEquals(onPath(drawn, lossAware), [
    "the path says itself which times a training draws: loss-aware, on ./flow.ts",
  ]);
  const preserving = "needs a schedule that preserves the variance, signal^2 + noise^2 = 1: the path of ./flow.ts";
  assertEquals(onPath(straight, { objective: "mu", variance: "learned" }), [
    `objective mu ${preserving}`,
    `variance learned ${preserving}`,
  ]);
  assertStringIncludes(onPath(straight, {})[0]!, "0 at the last timestep of ./flow.ts");
});

const SIZE = { height: 8, width: 8 };

/** Ways in which an image can depend on the other images of its batch. */
const MIXINGS: Readonly<Record<string, (x: tf.Tensor) => tf.Tensor>> = {
  mean: (x) => tf.sub(x, tf.mean(x, 0, true)),
  moments: (x) => {
    const { mean, variance } = tf.moments(x, [0, 1, 2]);
    return tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)));
  },
  "mean of pixels": (x) => tf.mul(x, tf.mean(tf.reshape(x, [-1, 1]), 0)),
  maximum: (x) => tf.div(x, tf.add(tf.max(tf.abs(x)), 1)),
  "first image": (x) => tf.add(x, tf.slice(x, [0, 0, 0, 0], [1, -1, -1, -1])),
  attention: (x) => {
    const rows = tf.reshape(x, [-1, 64]);
    return tf.reshape(tf.matMul(tf.softmax(tf.matMul(rows, rows, false, true)), rows), x.shape);
  },
  covariance: (x) => {
    const rows = tf.reshape(x, [-1, 64]);
    return tf.reshape(tf.matMul(rows, tf.matMul(rows, rows, true)), x.shape);
  },
  softmax: (x) => tf.reshape(tf.transpose(tf.softmax(tf.transpose(tf.reshape(x, [-1, 64])))), x.shape),
  "running sum": (x) => tf.cumsum(x, 0),
};

/** Similar computations that keep the images of a batch independent. */
const APART: Readonly<Record<string, (x: tf.Tensor) => tf.Tensor>> = {
  "mean of each": (x) => tf.sub(x, tf.mean(x, [1, 2, 3], true)),
  "attention in each": (x) => {
    const pixels = tf.reshape(x, [-1, 64, 1]);
    return tf.reshape(tf.matMul(tf.softmax(tf.matMul(pixels, pixels, false, true)), pixels), x.shape);
  },
  "pixels as rows": (x) => tf.reshape(tf.matMul(tf.reshape(x, [-1, 1]), tf.ones([1, 1])), x.shape),
  "two passes": (x) => {
    const [a, b] = tf.split(tf.concat([x, tf.reverse(x, 2)], 0), 2) as [tf.Tensor, tf.Tensor];
    return tf.add(a, b);
  },
  "running sum of rows": (x) => tf.cumsum(x, 1),
  "ones by the batch": (x) => tf.mul(x, tf.ones([x.shape[0]!, 1, 1, 1])),
  // Axes whose size has one of the batch sizes that the check tries as a factor.
  ...Object.fromEntries([101, 103, 202, 309].map((channels) => [
    `${channels} channels`,
    (x: tf.Tensor) => tf.mean(tf.mul(x, tf.ones([1, 1, 1, channels])), 3, true),
  ])),
};

/** Returns a network of one layer that is wrong in some way. */
function wrongNetwork(change: Partial<NetworkCode>) {
  return defineNetwork({
    params: none,
    build: () => ({
      parameters: [{ name: "scale", shape: [1], init: "ones" }],
      forward: ({ weights, x }) => tf.mul(x, weights["scale"]!),
      ...change,
    }),
  });
}

Deno.test("code of one's own that cannot be right is refused before the first step, with its file", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    let fixed: string | undefined;
    const messageOf = async (definitions: Readonly<Record<string, unknown>>) => {
      const model = Object.entries(definitions).find(([, one]) => sortOf(one) === "network");
      const objective = Object.entries(definitions).find(([, one]) => sortOf(one) === "objective");
      const params = {
        ...(model === undefined ? {} : { model: { uses: model[0] } }),
        ...(objective === undefined ? {} : { objective: { uses: objective[0] } }),
      };
      const outcome = await trainSmall(folder, world, {
        params: { steps: 1, ...params },
        definitions: own(definitions),
      });
      fixed = outcome.end?.status === "failed" ? outcome.end.fix : undefined;
      return said(outcome);
    };
    const network = (change: Parameters<typeof wrongNetwork>[0]) => messageOf({ "./net.ts": wrongNetwork(change) });
    assertEquals(await network({}), "ended as undefined");

    assertStringIncludes(
      await network({ forward: ({ weights, x }) => tf.mul(tf.sum(x, 3), weights["scale"]!) }),
      "./net.ts: the shape of the output, for a batch of 2: got float32 [2, 8, 8], wanted float32 [2, 8, 8, 1]",
    );
    assertStringIncludes(
      await network({ forward: ({ weights, x }) => tf.add(tf.mul(x, weights["scale"]!), tf.randomNormal(x.shape)) }),
      "./net.ts: two traces of the output differ: the code is no pure function",
    );
    for (const [name, mixes] of Object.entries(MIXINGS)) {
      const text = await network({ forward: ({ weights, x }) => tf.mul(mixes(x), weights["scale"]!) });
      assertMatch(
        text,
        /^\.\/net\.ts: the output for an image depends on the others of its batch, at file:.*_refused_test\.ts:\d+:\d+$/,
        name,
      );
      assertStringIncludes(fixed ?? "", "no mean or other figure over the first axis");
      // One of the lines of the table above, which calls the operation.
      const line = Number(/:(\d+):\d+$/.exec(text)![1]);
      const written = (await Deno.readTextFile(new URL(import.meta.url))).split("\n")[line - 1]!;
      assertMatch(written, /tf\.(mean|moments|max|slice|matMul|softmax|cumsum)\(/, name);
    }
    for (const [name, apart] of Object.entries(APART)) {
      const text = await network({ forward: ({ weights, x }) => tf.mul(apart(x), weights["scale"]!) });
      assertEquals(text, "ended as undefined", name);
    }
    let largest = 0;
    await network({
      forward: ({ weights, x }) => {
        largest = Math.max(largest, x.shape[0]!);
        return tf.mul(x, weights["scale"]!);
      },
    });
    // Constants of the batch's shape are held in memory: for images of 256x256x3 pixels, 80 MB for a batch of 101.
    assert(largest <= 128, `a batch of ${largest}`);
    const misspelt = await network({ forward: ({ weights, x }) => tf.mul(x, weights["scael"]!) });
    assertMatch(misspelt, /^\.\/net\.ts: .*_refused_test\.ts:\d+:\d+\).*; there is no parameter "scael"$/);
    assertEquals(fixed, 'did you mean "scale"?');
    let calls = 0;
    assertStringIncludes(
      await network({ forward: ({ weights, x }) => tf.mul(tf.mul(x, weights["scale"]!), ++calls) }),
      "two traces of the output differ",
    );
    const unused = await network({
      parameters: [{ name: "scale", shape: [1], init: "ones" }, { name: "idle", shape: [2], init: { normal: 1 } }],
    });
    assertStringIncludes(unused, "the output does not depend on 1 of 2 parameters, such as idle");
    fixed = "";
    const both = await network({
      parameters: [{ name: "scale", shape: [1], init: "ones" }, { name: "idle", shape: [2], init: { normal: 1 } }],
      forward: ({ weights, x }) => tf.mul(tf.sub(x, tf.mean(x, 0)), weights["scale"]!),
    });
    // Each problem is a line with its own fix.
    assertEquals(fixed, undefined);
    const [mixed, lost, ...others] = both.split("\n");
    assertMatch(mixed!, /^\.\/net\.ts: .*depends on the others of its batch.*; use no mean/);
    assertMatch(lost!, /^\.\/net\.ts: .* such as idle; use each parameter in forward, or leave/);
    assertEquals(others, []);
    for (const init of [{ normal: NaN }, "xavier", undefined, null, { scale: 1, fanIn: 0, fanOut: 0 }]) {
      const parameters = [{ name: "scale", shape: [1], init }] as unknown as NetworkCode["parameters"];
      assertStringIncludes(
        await network({ parameters }),
        `./net.ts: The init of parameter scale: got ${
          JSON.stringify(init)?.replace(/"normal":null/, '"normal":"NaN"')
        }, wanted "zeros", "ones", { normal }`,
      );
    }
    const twice = { name: "scale", shape: [1], init: "ones" } as const;
    assertEquals(
      await network({ parameters: [twice, twice] }),
      "./net.ts: Parameter scale: got it twice, wanted each name once",
    );
    assertStringIncludes(
      await network({ forward: undefined } as unknown as Partial<NetworkCode>),
      "./net.ts: What build gives: got object and undefined, wanted the parameters as a list, and forward as a function",
    );
    const written = await network({
      forward: ({ weights, x }) => tf.mul(tf.reshape(x, [2, 8, 8, 1]), weights["scale"]!),
    });
    assertStringIncludes(written, './net.ts: Cannot compile "the output for a batch of 3": ');
    assertStringIncludes(written, "train_own_refused_test.ts:");
    assertStringIncludes(fixed ?? "", "x.shape[0]");
    for (const [got, result] of [["undefined", undefined], ["a promise", Promise.resolve()]] as const) {
      assertEquals(
        (await network({ forward: () => result as unknown as tf.Tensor })).replace(/ \(at .*/, ""),
        `./net.ts: the output: got ${got}, wanted a tensor, returned at once`,
      );
    }
    assertStringIncludes(
      await network({ forward: ({ weights, x }) => tf.matMul(x, weights["scale"]!) }),
      "tests/unit/stages/train_own_refused_test.ts:",
    );
    assertStringIncludes(
      await network({ parameters: [{ name: "scale", shape: [0], init: "ones" }] }),
      "./net.ts: Shape of parameter scale: got [0], wanted positive integers",
    );
    const build = () => {
      throw new RangeError(`heads: got 3, wanted a divisor of ${SIZE.width}`);
    };
    const built = await messageOf({ "./net.ts": defineNetwork({ params: none, build }) });
    assertStringIncludes(built, "./net.ts: heads: got 3, wanted a divisor of 8 (at file://");

    const objective = (change: Partial<FreeObjective<typeof none>>) => messageOf({ "./free.ts": freeEps(change) });
    assertStringIncludes(
      await objective({ loss: ({ predict, xt, t }) => tf.mean(predict(xt, t)) }),
      "./free.ts: the shape of the loss, for a batch of 2: got float32 [], wanted float32 [2]",
    );
    const detached = await objective({ loss: ({ xt }) => tf.mean(xt, [1, 2, 3]) });
    assertStringIncludes(detached, "./free.ts: the loss does not depend on");
    assertStringIncludes(fixed ?? "", "let the loss call predict");
    const mixture = (change: Partial<MixtureObjective<typeof none>>) =>
      messageOf({ "./mix.ts": defineObjective({ params: none, target: () => ({ x0: 1, noise: 0 }), ...change }) });
    for (const target of [() => ({ x0: 0, noise: 0 }), ({ signal: x0, noise }: TimePoint) => ({ x0, noise })]) {
      assertStringIncludes(await mixture({ target }), "./mix.ts: x_0 from a perfect prediction at t=0: got ");
      assertStringIncludes(fixed ?? "", "let the target be no multiple of x_t, nor 0");
    }
    assertStringIncludes(
      await mixture({ weight: ({ t }) => 3 - t }),
      "./mix.ts: the weight at t=4: got -1, wanted at least 0, and finite",
    );
    assertStringIncludes(await mixture({ weight: () => NaN }), "./mix.ts: the weight at t=0: got NaN");
    const flat = { recover: () => ({ xt: 0, output: 1 }) } as unknown as Partial<MixtureObjective<typeof none>>;
    assertStringIncludes(await mixture(flat), "./mix.ts: x_0 from a perfect prediction at t=0: got NaN");
    const deep = { recover: () => ({ x0: { xt: 0, output: 1 } }) } as unknown as Partial<FreeObjective<typeof none>>;
    assertStringIncludes(await objective(deep), "./free.ts: what recover gives at t=0: got xt undefined");
    assertStringIncludes(
      await objective({ figures: ({ t }) => ({ level: 1 / (t - 5) }) }),
      "./free.ts: figure.level of the objective: got Infinity at t=5, wanted a finite number at each t",
    );
    const infinite = defineObjective({ params: none, target: ({ t }) => ({ x0: t === 7 ? NaN : 1, noise: 0 }) });
    assertStringIncludes(
      await messageOf({ "./free.ts": infinite }),
      "./free.ts: x_0 from a perfect prediction at t=7: got NaN, wanted 0.7",
    );
    assertStringIncludes(
      await objective({ loss: ({ predict, xt, t }) => tf.sum(tf.topk(predict(xt, t)).values, [1, 2, 3]) }),
      "tests/unit/stages/train_own_refused_test.ts:",
    );
    const large = await objective({
      loss: ({ predict, xt, t }) => tf.exp(tf.add(1e3, tf.mean(predict(xt, t), [1, 2, 3]))),
    });
    assertStringIncludes(large, "./free.ts: the loss is Infinity at step 1");
    assertStringIncludes(fixed ?? "", "look in ./free.ts for a division by 0");
  });
});
