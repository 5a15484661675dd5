import { assertEquals, assertThrows } from "@std/assert";
import { makeBetas } from "../../../diffusion/schedule/betas.ts";
import { makeTables } from "../../../diffusion/schedule/tables.ts";
import { ancestralSteps } from "../../../diffusion/samplers/ancestral.ts";
import { ddimSteps, ddimTimesteps } from "../../../diffusion/samplers/ddim.ts";
import { type ReverseStep, reverseStepHost } from "../../../diffusion/samplers/reverse_step.ts";
import { assertAllClose, assertClose, TWELVE_DIGITS } from "./assert_close.ts";

const tables = makeTables(makeBetas({ name: "ldm/sqrt_linear", timesteps: 1000 }));

/**
 * Variance of a chain's output for data N(0, s^2) and the exact noise prediction sqrt(1 - A) x / (A s^2 + 1 - A). Each
 * step is then linear in x (as long as x0 is not clipped, hence the small x), and the variance follows exactly.
 */
function outputVariance(steps: ReverseStep[], dataVariance: number): number {
  const probe = 1e-3;
  let variance = 1;
  for (const step of steps) {
    const signal = tables.alphasCumprod[step.t]!;
    const eps = Math.sqrt(1 - signal) * probe / (signal * dataVariance + 1 - signal);
    const inputs = { x: Float64Array.of(probe), eps: Float64Array.of(eps), z: Float64Array.of(0) };
    const slope = reverseStepHost(step, inputs).x[0]! / probe;
    variance = slope ** 2 * variance + step.sigma ** 2;
  }
  return variance;
}

// numpy float64, the same recursion on the formulas of hojonathanho/diffusion. 1 - A cancels at t = 0: 1e-11.
const CHAIN = { rel: 2e-11 };

Deno.test("ancestralSteps() gives the reference output variance when the model is exact", () => {
  assertClose(outputVariance(ancestralSteps(tables, { variance: "fixedlarge" }), 1), 0.9999, CHAIN);
  assertClose(outputVariance(ancestralSteps(tables, { variance: "fixedsmall" }), 1), 0.991067376353, CHAIN);
  assertClose(outputVariance(ancestralSteps(tables, { variance: "fixedlarge" }), 0.25), 0.250752075008, CHAIN);
  assertClose(outputVariance(ancestralSteps(tables, { variance: "fixedsmall" }), 0.25), 0.24612521136, CHAIN);
});

Deno.test("ddimSteps() gives the reference output deviation when the model is exact", () => {
  const wanted = [[10, 0.831695876828], [50, 0.964079271455], [100, 0.98185083457], [1000, 0.998124293998]] as const;
  for (const [steps, deviation] of wanted) {
    const chain = ddimSteps(tables, { steps, eta: 0, spacing: "leading" });
    assertClose(Math.sqrt(outputVariance(chain, 1)), deviation, { ...CHAIN, label: `${steps} steps` });
  }
});

Deno.test("ddimSteps() agrees with diffusers when its scheduler test is repeated", () => {
  // huggingface/diffusers, tests/schedulers/test_scheduler_ddim.py, full loop without noise: sample arange(768) / 768,
  // model x t / (t + 1), 10 steps, eta 0. The test expects 172.0067 +- 1e-2; in float64 the sum is 172.006522.
  let x = Float64Array.from({ length: 768 }, (_, i) => i / 768);
  for (const step of ddimSteps(tables, { steps: 10, eta: 0, spacing: "leading" })) {
    x = Float64Array.from(reverseStepHost(step, { x, eps: x.map((v) => v * step.t / (step.t + 1)), z: x }).x);
  }
  assertClose(x.reduce((sum, value) => sum + Math.abs(value), 0), 172.006522, { abs: 5e-7 });
});

Deno.test("ddimSteps() gives the variances of diffusers when eta is 1", () => {
  // The same file's variance test, in float64.
  const sigma2 = (steps: number, t: number) =>
    ddimSteps(tables, { steps, eta: 1, spacing: "leading" }).find((step) => step.t === t)!.sigma ** 2;
  assertClose(sigma2(50, 420), 0.147719512841, TWELVE_DIGITS);
  assertClose(sigma2(50, 980), 0.324605235875, TWELVE_DIGITS);
  assertClose(sigma2(1000, 487), 0.00979157198569, TWELVE_DIGITS);
  assertClose(sigma2(1000, 999), 0.0199999835266, TWELVE_DIGITS);
});

Deno.test("ddimSteps() is the fixedsmall ancestral sampler when eta is 1 and no step is skipped", () => {
  const ddim = ddimSteps(tables, { steps: 1000, eta: 1, spacing: "leading" });
  const ancestral = ancestralSteps(tables, { variance: "fixedsmall" });
  for (const field of ["t", "recip", "recipm1", "coefX0", "coefXt", "sigma"] as const) {
    // coefX0 is a difference of two numbers near 1 that leaves 1e-4.
    const abs = field === "coefX0" || field === "coefXt" ? 1e-12 : 0;
    assertAllClose(ddim.map((s) => s[field]), ancestral.map((s) => s[field]), { rel: 1e-9, abs, label: field });
  }
});

Deno.test("ddimTimesteps() visits the reference timesteps when spacing is leading", () => {
  // openai/improved-diffusion, space_timesteps(1000, "ddim10").
  assertEquals(ddimTimesteps(1000, { steps: 10, spacing: "leading" }), [
    900,
    800,
    700,
    600,
    500,
    400,
    300,
    200,
    100,
    0,
  ]);
});

Deno.test("ddimTimesteps() visits the reference timesteps when spacing is trailing", () => {
  assertEquals(ddimTimesteps(1000, { steps: 4, spacing: "trailing" }), [999, 749, 499, 249]);
  // numpy: np.round(np.arange(10, 0, -10 / 4)) - 1, with halves rounded to even: 10, 7.5, 5, 2.5.
  assertEquals(ddimTimesteps(10, { steps: 4, spacing: "trailing" }), [9, 7, 4, 1]);
});

Deno.test("ddimTimesteps() is descending, distinct and in range when steps and T are arbitrary", () => {
  for (const total of [1, 2, 7, 30, 50]) {
    for (let steps = 1; steps <= total; steps++) {
      for (const spacing of ["leading", "trailing"] as const) {
        const times = ddimTimesteps(total, { steps, spacing });
        const sorted = [...new Set(times)].sort((a, b) => b - a);
        assertEquals(times, sorted);
        assertEquals([times.length, times.every((t) => t >= 0 && t < total)], [steps, true]);
      }
    }
  }
});

Deno.test("every sampler adds no noise at its last step", () => {
  const chains = [
    ancestralSteps(tables, { variance: "fixedlarge" }),
    ancestralSteps(tables, { variance: "fixedsmall" }),
    ddimSteps(tables, { steps: 50, eta: 1, spacing: "trailing" }),
  ];
  assertEquals(chains.map((steps) => steps.at(-1)!.sigma), [0, 0, 0]);
  assertEquals(chains.map((steps) => steps.slice(0, -1).every((step) => step.sigma > 0)), [true, true, true]);
});

Deno.test("reverseStepHost() clips x0 when the prediction leaves [-1, 1]", () => {
  const step = { t: 5, recip: 2, recipm1: 1, coefX0: 0.5, coefXt: 0.25, sigma: 0.1 };
  const { x, x0 } = reverseStepHost(step, {
    x: Float64Array.of(3, -3, 0.2),
    eps: Float64Array.of(0, 0, 0.1),
    z: Float64Array.of(1, 2, 3),
  });
  assertAllClose(x0, [1, -1, 0.3], { abs: 1e-15 });
  assertAllClose(x, [1.35, -1.05, 0.5], { abs: 1e-15 });
});

Deno.test("ddimSteps() and ancestralSteps() throw when an option is out of range", () => {
  const good = { steps: 10, eta: 0, spacing: "leading" } as const;
  for (const wrong of [{ steps: 0 }, { steps: 1001 }, { steps: 1.5 }, { eta: -0.1 }, { eta: 1.1 }, { eta: NaN }]) {
    assertThrows(() => ddimSteps(tables, { ...good, ...wrong }), RangeError, "wanted");
  }
  assertThrows(() => ddimSteps(tables, { ...good, spacing: "linspace" as "leading" }), RangeError, '"trailing"');
  assertThrows(() => ancestralSteps(tables, { variance: "learned" as "fixedlarge" }), RangeError, '"fixedlarge"');
});
