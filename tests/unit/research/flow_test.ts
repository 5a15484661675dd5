import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Path, Prediction, SamplerDefinition } from "../../../science/diffusion/define.ts";
import { makeObjective } from "../../../science/diffusion/objective.ts";
import { chainPath, definedPath, timePoint } from "../../../science/diffusion/path.ts";
import { makeTables } from "../../../science/diffusion/schedule/tables.ts";
import flow from "../../../pipelines/research/flow.ts";
import euler from "../../../pipelines/research/flow_euler.ts";
import heun from "../../../pipelines/research/flow_heun.ts";
import velocity from "../../../pipelines/research/velocity.ts";
import { assertClose } from "../science/diffusion/assert_close.ts";
import { PseudoRandom } from "../science/diffusion/pseudo_random.ts";

const UNIFORM = flow.params.parse({});
const PATH = definedPath(flow, UNIFORM, 1250);
const LINEAR = makeTables(Float64Array.from({ length: 1000 }, (_, t) => 1e-4 + t * (0.02 - 1e-4) / 999));

Deno.test("flow: the path goes straight from the image to noise, and does not preserve the variance", () => {
  assertEquals([PATH.signal(-1), PATH.noise(-1)], [1, 0]);
  assertEquals([PATH.signal(1249), PATH.noise(1249)], [0, 1]);
  assertClose(PATH.noise(311.5), 0.25, { abs: 1e-15 });
  assertClose(PATH.signal(311.5), 0.75, { abs: 1e-15 });
  assertEquals(PATH.tables, undefined);
  assertEquals(PATH.times(4), [1249, 936.5, 624, 311.5, -1]);
});

Deno.test("velocity: the target is the slope of the path, and gives x_0 and eps back, on it and on any other path", () => {
  const objective = makeObjective(velocity, {});
  const random = new PseudoRandom(4);
  const paths: [Path, number[]][] = [[PATH, [-0.99, 0, 17.3, 624, 1249]], [chainPath(LINEAR), [0, 1, 500, 999]]];
  for (const [path, times] of paths) {
    for (const t of times) {
      const at = timePoint(path, t);
      const [x0, eps] = [random.uniform() - 0.5, 3 * random.uniform() - 1.5];
      const xt = at.signal * x0 + at.noise * eps;
      const target = velocity.target(at, {});
      const output = target.x0 * x0 + target.noise * eps;
      assertClose(output, eps - x0, { abs: 1e-15 });
      const solved = [objective.recover!(at).x0, objective.recover!(at).eps].map((r) => r.xt * xt + r.output * output);
      // Two equations with a condition number of at most 2 in float64.
      assertClose(solved[0]!, x0, { abs: 1e-14, label: `x_0 at ${t}` });
      assertClose(solved[1]!, eps, { abs: 1e-14, label: `eps at ${t}` });
      if (path !== PATH || t === 1249 || t < 0) continue;
      // dx/du by central differences of a function that is linear in u.
      const x = (t: number) => path.signal(t) * x0 + path.noise(t) * eps;
      assertClose((x(t + 0.5) - x(t - 0.5)) * path.timesteps, output, { abs: 1e-11, label: `slope at ${t}` });
    }
  }
  // Esser et al. 2024: x_0 = x - u v, eps = x + (1 - u) v.
  const quarter = timePoint(PATH, 311.5);
  assertClose(objective.recover!(quarter).x0.output, -0.25, { abs: 1e-15 });
  assertClose(objective.recover!(quarter).eps.output, 0.75, { abs: 1e-15 });
});

/** Returns the integral of f as a sum over n equal cells by their midpoints. */
function integrate(f: (x: number) => number, [from, to]: readonly [number, number], n = 20_000): number {
  const width = (to - from) / n;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += f(from + (i + 0.5) * width);
  return sum * width;
}

for (const [m, s] of [[0, 1], [-0.5, 1], [0.5, 0.6]] as const) {
  Deno.test(`flow: u drawn as logit-normal has the moments of the paper's density when m is ${m} and s is ${s}`, () => {
    const params = flow.params.parse({ draw: "logit-normal", m, s });
    const drawn = (normal: number) => flow.draw!({ uniform: 0.5, normal }, params);
    const gaussian = (z: number) => Math.exp(-(z ** 2) / 2) / Math.sqrt(2 * Math.PI);
    // Esser et al. 2024, eq. 19.
    const density = (u: number) => {
      const logit = Math.log(u / (1 - u));
      return Math.exp(-((logit - m) ** 2) / (2 * s ** 2)) / (s * Math.sqrt(2 * Math.PI) * u * (1 - u));
    };
    for (const power of [0, 1, 2, 3]) {
      const got = integrate((z) => gaussian(z) * drawn(z) ** power, [-9, 9]);
      const want = integrate((u) => density(u) * u ** power, [0, 1]);
      // Both functions vanish with all derivatives at both ends, so the midpoint rule is exact to rounding.
      assertClose(got, want, { abs: 1e-10, label: `moment ${power}` });
    }
    assertClose(drawn(0), 1 / (1 + Math.exp(-m)), { abs: 1e-15, label: "median" });
    assert([-8, 8].every((z) => drawn(z) > 0 && drawn(z) <= 1));
  });
}

Deno.test("flow: u drawn evenly is in (0, 1]", () => {
  assertEquals([0, 0.25, 1 - 2 ** -24].map((uniform) => flow.draw!({ uniform, normal: 3 }, UNIFORM)), [
    1,
    0.75,
    2 ** -24,
  ]);
});

/** Mean and deviation of Gaussian data, for which the flow has a closed form. */
const DATA = { mean: 0.4, deviation: 0.3 };

/**
 * Returns the optimal network for data N(m, s^2) at x = a x_0 + b eps: E[x_0 | x] = m + a s^2 (x - a m) / (a^2 s^2 +
 * b^2).
 */
function gaussian(path: Path): (x: Float32Array, t: number) => Promise<Prediction> {
  const { mean, deviation } = DATA;
  return async (x, t) => {
    const [a, b] = [path.signal(t), path.noise(t)];
    const gain = a * deviation ** 2 / (a ** 2 * deviation ** 2 + b ** 2);
    const x0 = Float32Array.from(x, (value) => mean + gain * (value - a * mean));
    const eps = Float32Array.from(x, (value, i) => (value - a * x0[i]!) / b);
    return { x0, eps, variance: undefined, output: eps };
  };
}

async function walk<P extends { steps: number }>(
  { times, evaluations, sample }: SamplerDefinition,
  params: P,
  path: Path = PATH,
): Promise<{ readonly end: number[]; readonly asked: number; readonly said: number }> {
  const ask = gaussian(path);
  let asked = 0;
  const end = await sample({
    x: Float32Array.from([-1.5, 0.2, 2]),
    times: times(params, path),
    path,
    params,
    predict: (x, t) => (asked++, ask(x, t)),
    noise: () => {
      throw new Error("A deterministic sampler draws no noise");
    },
  });
  const said = evaluations?.(params, path.timesteps) ?? times(params, path).length - 1;
  return { end: Array.from(end), asked, said };
}

for (const [name, sampler, order] of [["flow_euler", euler, 1], ["flow_heun", heun, 2]] as const) {
  Deno.test(`${name}: a Gaussian in closed form is met with order ${order}, in as many evaluations as it says`, async () => {
    const errors: number[] = [];
    for (const steps of order === 1 ? [50, 100, 200, 400] : [10, 20, 40, 80]) {
      const { end, asked, said } = await walk(sampler, { steps });
      assertEquals(asked, said);
      // The flow of a Gaussian preserves (x - a m) / sqrt(a^2 s^2 + b^2), which is x itself at u = 1.
      const want = [-1.5, 0.2, 2].map((z) => DATA.mean + DATA.deviation * z);
      errors.push(Math.max(...end.map((x, i) => Math.abs(x - want[i]!))));
    }
    // Halving the step divides the error by 2^order, the more exactly the smaller the step.
    const orders = errors.slice(1).map((error, i) => Math.log2(errors[i]! / error));
    assertClose(orders.at(-1)!, order, { abs: 0.06, label: `orders ${orders}, errors ${errors}` });
    assert(errors.at(-1)! < (order === 1 ? 5e-3 : 5e-4), `errors ${errors}`);
  });
}

Deno.test("flow_euler and flow_heun take the network's own word in one step, which is its mean", async () => {
  for (const sampler of [euler, heun]) {
    const { end, asked } = await walk(sampler, { steps: 1 });
    assertEquals(asked, 1);
    end.forEach((x) => assertClose(x, DATA.mean, { rel: 1e-7 }));
  }
});

Deno.test("flow_euler and flow_heun refuse a path that is not straight", async () => {
  for (const sampler of [euler, heun]) {
    const walked = walk(sampler, { steps: 10 }, chainPath(LINEAR));
    await assertRejects(() => walked, RangeError, "Path of a flow sampler");
  }
});
