import { assertEquals } from "@std/assert";
import { chainPath } from "../../../../science/diffusion/path.ts";
import { builtinSampler, samplerParams } from "../../../../science/diffusion/samplers.ts";
import { transition } from "../../../../science/diffusion/samplers/mix.ts";
import { makeBetas } from "../../../../science/diffusion/schedule/betas.ts";
import { makeTables } from "../../../../science/diffusion/schedule/tables.ts";
import { timesOf, walkHost } from "../../../support/walk_host.ts";
import { assertClose, TWELVE_DIGITS } from "./assert_close.ts";
import { outputDeviation } from "./exact_chain.ts";

const path = chainPath(makeTables(makeBetas({ name: "ldm/sqrt_linear", timesteps: 1000 })));

// numpy float64, the same recursion on the formulas of hojonathanho/diffusion. Images are float32: each of 1,000 steps
// rounds by 6e-8, and the errors add up like a random walk.
const CHAIN = { rel: 5e-6 };

Deno.test("ancestral gives the reference output variance when the network is exact", async () => {
  const variance = async (variance: "fixedlarge" | "fixedsmall", dataVariance: number) => {
    const deviation = await outputDeviation({ name: "ancestral", variance }, { path, dataVariance });
    return deviation ** 2;
  };
  assertClose(await variance("fixedlarge", 1), 0.9999, CHAIN);
  assertClose(await variance("fixedsmall", 1), 0.991067376353, CHAIN);
  assertClose(await variance("fixedlarge", 0.25), 0.250752075008, CHAIN);
  assertClose(await variance("fixedsmall", 0.25), 0.24612521136, CHAIN);
});

Deno.test("ddim gives the reference output deviation when the network is exact", async () => {
  const wanted = [[10, 0.831695876828], [50, 0.964079271455], [100, 0.98185083457], [1000, 0.998124293998]] as const;
  for (const [steps, deviation] of wanted) {
    const got = await outputDeviation({ name: "ddim", steps, spacing: "leading" }, { path, dataVariance: 1 });
    assertClose(got, deviation, { ...CHAIN, label: `${steps} steps` });
  }
});

Deno.test("transition() has the variances of diffusers", () => {
  // tests/schedulers/test_scheduler_ddim.py in float64; leading steps of 20 and of 1.
  const variance = (s: number, t: number) => transition(path, s, t).posteriorVariance;
  assertClose(variance(400, 420), 0.147719512841, TWELVE_DIGITS);
  assertClose(variance(960, 980), 0.324605235875, TWELVE_DIGITS);
  assertClose(variance(486, 487), 0.00979157198569, TWELVE_DIGITS);
  assertClose(variance(998, 999), 0.0199999835266, TWELVE_DIGITS);
});

Deno.test("transition() is beta and the posterior of Ho et al. between neighbours of a chain", () => {
  const tables = path.tables!;
  for (const t of [1, 2, 500, 999]) {
    const { signal, variance, posteriorVariance } = transition(path, t - 1, t);
    // 1 - A cancels near t = 0.
    assertClose(variance, tables.betas[t]!, { rel: 1e-11 });
    assertClose(signal, Math.sqrt(tables.alphas[t]!), { rel: 1e-12 });
    assertClose(posteriorVariance, tables.posteriorVariance[t]!, { rel: 1e-11 });
  }
});

Deno.test("ddim is the fixedsmall ancestral sampler when eta is 1 and no step is skipped", async () => {
  const noise = (k: number) => Float32Array.of(Math.sin(k), Math.cos(3 * k));
  const walk = {
    path,
    predictX0: (x: number, t: number) => Math.tanh(x) * (0.5 + t / 2000),
    start: [0.4, -1.3],
    noise,
  };
  const ddim = await walkHost({ name: "ddim", steps: 1000, eta: 1, spacing: "leading" }, walk);
  const ancestral = await walkHost({ name: "ancestral", variance: "fixedsmall" }, walk);
  ancestral.images.forEach((want, i) => assertClose(ddim.images[i]!, want, { abs: 1e-5 }));
});

Deno.test("few steps visit the reference timesteps when spacing is leading", () => {
  // openai/improved-diffusion, space_timesteps(1000, "ddim10").
  const times = timesOf({ name: "ddim", steps: 10, spacing: "leading" }, path);
  assertEquals(times, [900, 800, 700, 600, 500, 400, 300, 200, 100, 0, -1]);
});

Deno.test("few steps visit the reference timesteps when spacing is trailing", () => {
  assertEquals(timesOf({ name: "ddim", steps: 4 }, path), [999, 749, 499, 249, -1]);
  // numpy: np.round(np.arange(10, 0, -10 / 4)) - 1, with halves rounded to even: 10, 7.5, 5, 2.5.
  const ten = chainPath(makeTables(new Float64Array(10).fill(0.1)));
  assertEquals(timesOf({ name: "dpmpp-2m", steps: 4 }, ten), [9, 7, 4, 1, -1]);
});

Deno.test("ancestral of fewer steps visits the timesteps of improved-diffusion", () => {
  // space_timesteps(1000, "10").
  const times = timesOf({ name: "ancestral", steps: 10 }, path);
  assertEquals(times, [999, 888, 777, 666, 555, 444, 333, 222, 111, 0, -1]);
});

Deno.test("times fall, are distinct and in range when steps and T are arbitrary", () => {
  for (const total of [1, 2, 7, 30, 50]) {
    const path = chainPath(makeTables(new Float64Array(total).fill(0.1)));
    for (let steps = 1; steps <= total; steps++) {
      for (const spacing of ["leading", "trailing"] as const) {
        for (const name of ["ddim", "dpmpp-2m"]) {
          const leavesOut = name === "dpmpp-2m" && spacing === "leading";
          const { definition, params } = builtinSampler(samplerParams.parse({ name, steps, spacing }));
          const problems = definition.check!(params, { timesteps: total, learnedVariance: false });
          if (leavesOut && steps === total) {
            assertEquals(problems.map(({ wanted }) => wanted), [
              `at most ${total - 1}, the timesteps of the checkpoint's schedule but 0`,
            ]);
            continue;
          }
          assertEquals(problems, []);
          const times = definition.times(params, path);
          assertEquals(times, [...new Set(times)].sort((a, b) => b - a));
          assertEquals([times.length, times[0]! < total, times.at(-1)], [steps + 1, true, -1]);
          if (spacing === "leading") assertEquals(times.at(-2) === 0, !leavesOut);
        }
      }
    }
  }
});

Deno.test("every sampler adds noise at each step but the last, and asks the network as often as it says", async () => {
  const samplers = [
    { name: "ancestral", variance: "fixedlarge" },
    { name: "ancestral", variance: "fixedsmall", steps: 20 },
    { name: "ancestral", variance: "learned", steps: 30 },
    { name: "ddim", steps: 50, eta: 1 },
    { name: "ddim", steps: 7 },
    { name: "dpmpp-2m", steps: 5 },
    { name: "heun", steps: 4 },
  ];
  for (const sampler of samplers) {
    const drawn: number[] = [];
    const noise = (k: number) => {
      drawn.push(k);
      return new Float32Array(1);
    };
    const { asked, evaluations } = await walkHost(sampler, {
      path,
      predictX0: () => 0.5,
      start: [1],
      noise,
      variance: 0.5,
    });
    assertEquals(evaluations, asked.length);
    const noisy = sampler.name === "ancestral" || sampler.eta === 1;
    assertEquals(drawn, noisy ? Array.from({ length: asked.length - 1 }, (_, k) => k) : []);
  }
});
