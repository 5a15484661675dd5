import { assertEquals } from "@std/assert";
import { makeBetas } from "../../../diffusion/schedule/betas.ts";
import { makeTables } from "../../../diffusion/schedule/tables.ts";
import { ancestralSteps } from "../../../diffusion/samplers/ancestral.ts";
import { ddimSteps } from "../../../diffusion/samplers/ddim.ts";
import { spacedTimesteps } from "../../../diffusion/samplers/timestep_spacing.ts";
import { assertAllClose, assertClose, TWELVE_DIGITS } from "./assert_close.ts";
import { outputDeviation } from "./exact_chain.ts";
import { reverseStepHost } from "../../support/diffusion_references.ts";

const tables = makeTables(makeBetas({ name: "ldm/sqrt_linear", timesteps: 1000 }));

// numpy float64, the same recursion on the formulas of hojonathanho/diffusion. 1 - A cancels at t = 0: 1e-11.
const CHAIN = { rel: 2e-11 };

Deno.test("ancestralSteps() gives the reference output variance when the model is exact", () => {
  const variance = (variance: "fixedlarge" | "fixedsmall", dataVariance: number) =>
    outputDeviation(ancestralSteps(tables, { variance }), { tables, dataVariance }) ** 2;
  assertClose(variance("fixedlarge", 1), 0.9999, CHAIN);
  assertClose(variance("fixedsmall", 1), 0.991067376353, CHAIN);
  assertClose(variance("fixedlarge", 0.25), 0.250752075008, CHAIN);
  assertClose(variance("fixedsmall", 0.25), 0.24612521136, CHAIN);
});

Deno.test("ddimSteps() gives the reference output deviation when the model is exact", () => {
  const wanted = [[10, 0.831695876828], [50, 0.964079271455], [100, 0.98185083457], [1000, 0.998124293998]] as const;
  for (const [steps, deviation] of wanted) {
    const chain = ddimSteps(tables, { steps, eta: 0, spacing: "leading" });
    assertClose(outputDeviation(chain, { tables, dataVariance: 1 }), deviation, { ...CHAIN, label: `${steps} steps` });
  }
});

Deno.test("ddimSteps() gives the variances of diffusers when eta is 1", () => {
  // The same file's variance test, in float64.
  const sigma2 = (steps: number, t: number) =>
    ddimSteps(tables, { steps, eta: 1, spacing: "leading" }).find((step) => step.t === t)!.coefExtra ** 2;
  assertClose(sigma2(50, 420), 0.147719512841, TWELVE_DIGITS);
  assertClose(sigma2(50, 980), 0.324605235875, TWELVE_DIGITS);
  assertClose(sigma2(1000, 487), 0.00979157198569, TWELVE_DIGITS);
  assertClose(sigma2(1000, 999), 0.0199999835266, TWELVE_DIGITS);
});

Deno.test("ddimSteps() is the fixedsmall ancestral sampler when eta is 1 and no step is skipped", () => {
  const ddim = ddimSteps(tables, { steps: 1000, eta: 1, spacing: "leading" });
  const ancestral = ancestralSteps(tables, { variance: "fixedsmall" });
  for (const field of ["t", "coefX0", "coefXt", "coefExtra"] as const) {
    // coefX0 is a difference of two numbers near 1 that leaves 1e-4.
    const abs = field === "coefX0" || field === "coefXt" ? 1e-12 : 0;
    assertAllClose(ddim.map((s) => s[field]), ancestral.map((s) => s[field]), { rel: 1e-9, abs, label: field });
  }
});

Deno.test("spacedTimesteps() visits the reference timesteps when spacing is leading", () => {
  // openai/improved-diffusion, space_timesteps(1000, "ddim10").
  assertEquals(spacedTimesteps(1000, { steps: 10, spacing: "leading" }), [
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

Deno.test("spacedTimesteps() visits the reference timesteps when spacing is trailing", () => {
  assertEquals(spacedTimesteps(1000, { steps: 4, spacing: "trailing" }), [999, 749, 499, 249]);
  // numpy: np.round(np.arange(10, 0, -10 / 4)) - 1, with halves rounded to even: 10, 7.5, 5, 2.5.
  assertEquals(spacedTimesteps(10, { steps: 4, spacing: "trailing" }), [9, 7, 4, 1]);
});

Deno.test("spacedTimesteps() is descending, distinct and in range when steps and T are arbitrary", () => {
  for (const total of [1, 2, 7, 30, 50]) {
    for (let steps = 1; steps <= total; steps++) {
      for (const spacing of ["leading", "trailing"] as const) {
        const times = spacedTimesteps(total, { steps, spacing });
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
    ancestralSteps(tables, { variance: "fixedsmall", steps: 20 }),
    ancestralSteps(tables, { variance: "learned" }),
    ddimSteps(tables, { steps: 50, eta: 1, spacing: "trailing" }),
  ];
  assertEquals(chains.map((steps) => steps.at(-1)!.extra), ["none", "none", "none", "none"]);
  assertEquals(chains.map((steps) => steps.slice(0, -1).every((step) => step.coefExtra > 0)), [true, true, true, true]);
});

Deno.test("reverseStepHost() clips x0 when the prediction leaves [-1, 1]", () => {
  const step = { t: 5, coefX0: 0.5, coefXt: 0.25, coefExtra: 0.1, extra: "noise" } as const;
  const { x, x0 } = reverseStepHost(step, { xt: 2, output: -1 }, {
    x: Float64Array.of(3, -3, 0.2),
    output: Float64Array.of(0, 0, 0.1),
    extra: Float64Array.of(1, 2, 3),
  });
  assertAllClose(x0, [1, -1, 0.3], { abs: 1e-15 });
  assertAllClose(x, [1.35, -1.05, 0.5], { abs: 1e-15 });
});
