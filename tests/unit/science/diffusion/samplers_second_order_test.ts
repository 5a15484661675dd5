import { assert, assertEquals, assertThrows } from "@std/assert";
import type { DefinitionParams, Path, PathDefinition } from "../../../../science/diffusion/define.ts";
import { makeObjective } from "../../../../science/diffusion/objective.ts";
import heun from "../../../../science/diffusion/samplers/heun.ts";
import { OBJECTIVES } from "../../../../science/diffusion/objectives.ts";
import { chainPath, definedPath, timePoint } from "../../../../science/diffusion/path.ts";
import { makeBetas } from "../../../../science/diffusion/schedule/betas.ts";
import { makeTables } from "../../../../science/diffusion/schedule/tables.ts";
import { timesOf, walkHost } from "../../../support/walk_host.ts";
import { assertAllClose, assertClose } from "./assert_close.ts";
import { exactX0, outputDeviation } from "./exact_chain.ts";

const tables = makeTables(makeBetas({ name: "ho/linear", timesteps: 1000 }));
const path = chainPath(tables);
const LAST = tables.timesteps - 1;

/** A denoiser in y = x / signal that is not linear, so that no error of a solver cancels. */
const denoise = (y: number, sigma: number) => Math.tanh(y / (1 + sigma)) * 0.7;
const denoiseOn = ({ signal, noise }: Path) => (x: number, t: number) => denoise(x / signal(t), noise(t) / signal(t));

/** x_t = (1 - u) x_0 + u eps (Liu et al. 2022). */
const straight = definedPath(
  { params: {} as DefinitionParams, signal: (u: number) => 1 - u, noise: (u: number) => u } as PathDefinition,
  {},
  1000,
);

const zeroSnr = chainPath(makeTables(makeBetas({ name: "ho/linear", timesteps: 100, zeroTerminalSnr: true })));

/** Images are float32: some steps of rounding by 6e-8. */
const FLOAT32 = { rel: 2e-6 };

Deno.test("heun is algorithm 1 of Karras et al. when that is written in their own variables, on every path", async () => {
  for (const walked of [path, straight]) {
    const times = timesOf({ name: "heun", steps: 18 }, walked).slice(0, -1);
    const start = 0.8;
    const sigmas = [...times.map((t) => walked.noise(t) / walked.signal(t)), 0];
    let y = start / walked.signal(times[0]!);
    times.forEach((_, i) => {
      const [from, to] = [sigmas[i]!, sigmas[i + 1]!];
      const slope = (y - denoise(y, from)) / from;
      const euler = y + (to - from) * slope;
      y = to === 0 ? euler : y + (to - from) * 0.5 * (slope + (euler - denoise(euler, to)) / to);
    });
    const { images, asked } = await walkHost({ name: "heun", steps: 18 }, {
      path: walked,
      predictX0: denoiseOn(walked),
      start: [start],
    });
    assertEquals(asked.length, 2 * times.length - 1);
    assertClose(images[0]!, y, FLOAT32);
  }
});

Deno.test("heun takes the path's nearest levels, each once", async () => {
  // Between the chain's own lowest level, 0.0100005, and 80.
  const times = timesOf({ name: "heun", steps: 18 }, path);
  assertEquals([times.length, times.at(-2)], [19, 0]);
  assert(Math.abs(tables.sqrtRecipm1AlphasCumprod[times[0]!]! - 80) < 0.5);
  const many = timesOf({ name: "heun", steps: 2000 }, path);
  assertEquals(many, [...new Set(many)].sort((a, b) => b - a));
  assertEquals(timesOf({ name: "heun", steps: 2, sigmaMax: 1e6 }, path), [LAST, 0, -1]);
  const { images } = await walkHost({ name: "heun", steps: 9 }, {
    path: zeroSnr,
    predictX0: (x) => Math.tanh(x),
    start: [1],
  });
  assert(Number.isFinite(images[0]));
});

Deno.test("dpmpp-2m is DPM-Solver++(2M) when that is written as in diffusers", async () => {
  const times = timesOf({ name: "dpmpp-2m", steps: 15 }, path).slice(0, -1);
  const alphas = [...times.map((t) => tables.sqrtAlphasCumprod[t]!), 1];
  const sigmas = [...times.map((t) => tables.sqrtOneMinusAlphasCumprod[t]!), 0];
  const lambdas = alphas.map((alpha, i) => Math.log(alpha / sigmas[i]!));
  const start = 0.8;
  let [x, m1] = [start, 0];
  times.forEach((_, i) => {
    const m0 = denoise(x / alphas[i]!, sigmas[i]! / alphas[i]!);
    const h = lambdas[i + 1]! - lambdas[i]!;
    // multistep_dpm_solver_second_order_update, midpoint; of first order at both ends.
    const d1 = i === 0 || i === times.length - 1 ? 0 : (m0 - m1) / ((lambdas[i]! - lambdas[i - 1]!) / h);
    const gain = alphas[i + 1]! * (Math.exp(-h) - 1);
    x = sigmas[i + 1]! / sigmas[i]! * x - gain * m0 - 0.5 * gain * d1;
    m1 = m0;
  });
  const walk = { path, predictX0: denoiseOn(path), start: [start] };
  assertClose((await walkHost({ name: "dpmpp-2m", steps: 15 }, walk)).images[0]!, x, FLOAT32);
});

Deno.test("ddim without eta is Euler's method on the velocity of a straight path", async () => {
  const steps = 10;
  let x = 0.8;
  for (let i = 0; i < steps; i++) {
    const u = 1 - i / steps;
    // At u = 1 the denoiser in y = x / signal sees only noise.
    const x0 = u === 1 ? 0.3 : denoise(x / (1 - u), u / (1 - u));
    x -= (x - x0) / u / steps;
  }
  const predictX0 = (x: number, t: number) => t === LAST ? 0.3 : denoiseOn(straight)(x, t);
  const { images, asked } = await walkHost({ name: "ddim", steps }, { path: straight, predictX0, start: [0.8] });
  assertEquals(asked[1], 899);
  assertClose(images[0]!, x, FLOAT32);
});

Deno.test("second-order samplers come closer than DDIM to the exact flow with as many evaluations, on every path", async () => {
  // Data N(0, 0.25): the exact flow turns the standard deviation of x_t into s. The remainder of a chain below its
  // first timestep is the same for all samplers.
  const dataVariance = 0.25;
  const errorOf = async (walked: Path, sampler: Record<string, unknown>) => {
    const first = timesOf(sampler, walked)[0]!;
    const start = Math.hypot(walked.signal(first) * Math.sqrt(dataVariance), walked.noise(first));
    return Math.abs(await outputDeviation(sampler, { path: walked, dataVariance, start }) - 0.5);
  };
  const ddim = await errorOf(path, { name: "ddim", steps: 71 });
  const solver = await errorOf(path, { name: "dpmpp-2m", steps: 71 });
  const [half, heun] = [
    await errorOf(path, { name: "heun", steps: 18 }),
    await errorOf(path, { name: "heun", steps: 36 }),
  ];
  // Measured: DDIM 2.0e-2, DPM-Solver++ 1.1e-3, Heun 5.1e-3, and 2.4e-2 with half as many steps.
  assert(solver < ddim / 15 && heun < ddim / 3.5, `DDIM ${ddim}, DPM-Solver++ ${solver}, Heun ${heun}`);
  assert(heun < half / 4, `Heun ${half}, then ${heun}`);
  const onStraight = (name: string, steps: number) => errorOf(straight, { name, steps });
  const [euler, second] = [await onStraight("ddim", 31), await onStraight("dpmpp-2m", 31)];
  const [few, many] = [await onStraight("heun", 16), await onStraight("heun", 32)];
  // Measured: 2.3e-2 and 3.5e-3. Heun spends most of its steps on levels other than these evenly spaced ones.
  assert(second < euler / 5, `straight path: DDIM ${euler}, DPM-Solver++ ${second}`);
  assert(many < few / 3.5, `straight path: Heun ${few}, then ${many}`);
});

Deno.test("dpmpp-2m of one step is DDIM's, and stays finite on a zero terminal SNR", async () => {
  const walk = { path, predictX0: denoiseOn(path), start: [0.8, -2] };
  const ddim = await walkHost({ name: "ddim", steps: 1 }, walk);
  assertEquals((await walkHost({ name: "dpmpp-2m", steps: 1 }, walk)).images, ddim.images);
  const { images } = await walkHost({ name: "dpmpp-2m", steps: 10 }, {
    path: zeroSnr,
    predictX0: (x) => Math.tanh(x),
    start: [1],
  });
  assert(Number.isFinite(images[0]));
});

Deno.test("every sampler draws alike whatever an exact network predicts", async () => {
  const dataVariance = 0.25;
  const samplers = [
    { name: "ancestral", variance: "fixedsmall", steps: 50 },
    { name: "ddim", steps: 20, eta: 0.5 },
    { name: "dpmpp-2m", steps: 20 },
    { name: "heun", steps: 10 },
  ];
  const exact = exactX0(path, dataVariance);
  for (const sampler of samplers) {
    const deviations: number[] = [];
    for (const definition of Object.values(OBJECTIVES)) {
      const objective = makeObjective(definition, {});
      // The network's output, and x_0 computed from it.
      const predictX0 = (x: number, t: number) => {
        const at = timePoint(path, t);
        const [x0, target] = [exact(x, t), definition.target(at, {})];
        const output = target.x0 * x0 + target.noise * (x - at.signal * x0) / at.noise;
        const recovery = objective.recover!(at).x0;
        return recovery.xt * x + recovery.output * output;
      };
      deviations.push(await outputDeviation(sampler, { path, dataVariance, predictX0 }));
    }
    assertAllClose(deviations, deviations.map(() => deviations[0]!), { rel: 2e-6 });
  }
});

Deno.test("a walk of one step at a time is that of all steps, for samplers that look at no step before", async () => {
  const noise = (k: number) => Float32Array.of(Math.sin(k + 1));
  for (
    const sampler of [{ name: "ddim", steps: 12, eta: 0.7 }, { name: "ancestral", steps: 12 }, {
      name: "heun",
      steps: 6,
    }]
  ) {
    const walk = { path, predictX0: denoiseOn(path), start: [0.8] as ArrayLike<number> };
    const whole = await walkHost(sampler, { ...walk, noise });
    let images = walk.start;
    const times = timesOf(sampler, path);
    for (let k = 0; k + 1 < times.length; k++) {
      const options = { ...walk, start: images, noise: () => noise(k), times: () => times.slice(k, k + 2) };
      ({ images } = await walkHost(sampler, options));
    }
    assertEquals(images, whole.images);
  }
});

Deno.test("heun refuses a level beyond the default of the other before anything runs", () => {
  const { check } = heun;
  const wrong = (levels: object) =>
    check!({ steps: 18, rho: 7, ...levels } as never, {} as never).map(({ got }) => got);
  assertEquals(wrong({}), []);
  assertEquals(wrong({ sigmaMin: 79 }), []);
  assertEquals(wrong({ sigmaMin: 80 }), ["sigmaMin 80, sigmaMax 80"]);
  assertEquals(wrong({ sigmaMin: 100, sigmaMax: 200 }), []);
  assertEquals(wrong({ sigmaMax: 0.001 }), ["sigmaMin 0.002, sigmaMax 0.001"]);
  // Only the run knows the highest level of a chain.
  const short = chainPath(makeTables(makeBetas({ name: "ldm/linear", timesteps: 1000 })));
  const params = { steps: 18, rho: 7, sigmaMin: 70 } as never;
  assertThrows(() => heun.times(params, short), RangeError, "leave both out to use those of the schedule");
});
