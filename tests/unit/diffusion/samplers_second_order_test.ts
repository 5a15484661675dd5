import { assert, assertEquals } from "@std/assert";
import { OBJECTIVES, x0Recovery } from "../../../diffusion/objective.ts";
import { ancestralSteps } from "../../../diffusion/samplers/ancestral.ts";
import { ddimSteps } from "../../../diffusion/samplers/ddim.ts";
import { dpmSolverSteps } from "../../../diffusion/samplers/dpm_solver.ts";
import { heunSteps, heunTimesteps } from "../../../diffusion/samplers/heun.ts";
import type { ReverseStep } from "../../../diffusion/samplers/reverse_step.ts";
import { spacedTimesteps } from "../../../diffusion/samplers/timestep_spacing.ts";
import { makeBetas } from "../../../diffusion/schedule/betas.ts";
import { makeTables } from "../../../diffusion/schedule/tables.ts";
import { assertAllClose, assertClose } from "./assert_close.ts";
import { outputDeviation } from "./exact_chain.ts";
import { reverseStepHost } from "../../support/diffusion_references.ts";

const tables = makeTables(makeBetas({ name: "ho/linear", timesteps: 1000 }));
const LAST = tables.timesteps - 1;
const spacing = "trailing";

/** A network that is not linear, so that no error of a solver cancels. */
const denoise = (x: number, sigma: number) => Math.tanh(x / (1 + sigma)) * 0.7;

/** A chain whose network says `denoise` of y = x / sqrt(A), by way of the noise. */
function runChain(steps: readonly ReverseStep[], start: number): number {
  let [x, lastX, lastX0] = [start, 0, 0];
  for (const step of steps) {
    const at = { tables, t: step.t };
    const [signal, noise] = [tables.sqrtAlphasCumprod[step.t]!, tables.sqrtOneMinusAlphasCumprod[step.t]!];
    const output = (x - signal * denoise(x / signal, noise / signal)) / noise;
    const extra = { none: 0, noise: 0, lastX, lastX0 }[step.extra];
    const inputs = { x: Float64Array.of(x), output: Float64Array.of(output), extra: Float64Array.of(extra) };
    const next = reverseStepHost(step, x0Recovery("eps", at), inputs);
    [lastX, lastX0, x] = [x, next.x0[0]!, next.x[0]!];
  }
  return x;
}

Deno.test("heunSteps() is algorithm 1 of Karras et al. when that is written in their own variables", () => {
  const timesteps = heunTimesteps(tables, { steps: 18 });
  const start = 0.8;
  const sigmas = [...timesteps.map((t) => tables.sqrtRecipm1AlphasCumprod[t]!), 0];
  let y = start / tables.sqrtAlphasCumprod[timesteps[0]!]!;
  timesteps.forEach((_, i) => {
    const [from, to] = [sigmas[i]!, sigmas[i + 1]!];
    const slope = (y - denoise(y, from)) / from;
    const euler = y + (to - from) * slope;
    y = to === 0 ? euler : y + (to - from) * 0.5 * (slope + (euler - denoise(euler, to)) / to);
  });
  const steps = heunSteps(tables, { steps: 18 });
  assertEquals(steps.length, 2 * timesteps.length - 1);
  assertClose(runChain(steps, start), y, { rel: 1e-9 });
});

Deno.test("heunTimesteps() takes the chain's nearest levels, each once", () => {
  // Between the chain's own lowest level, 0.0100005, and 80.
  const timesteps = heunTimesteps(tables, { steps: 18 });
  assertEquals([timesteps.length, timesteps.at(-1)], [18, 0]);
  assert(Math.abs(tables.sqrtRecipm1AlphasCumprod[timesteps[0]!]! - 80) < 0.5);
  const many = heunTimesteps(tables, { steps: 2000 });
  assertEquals(many, [...new Set(many)].sort((a, b) => b - a));
  assertEquals(heunTimesteps(tables, { steps: 2, sigmaMax: 1e6 }), [LAST, 0]);
  const zeroSnr = makeTables(makeBetas({ name: "ho/linear", timesteps: 100, zeroTerminalSnr: true }));
  assert(heunSteps(zeroSnr, { steps: 9 }).every((step) => Number.isFinite(step.coefX0 + step.coefXt + step.coefExtra)));
});

Deno.test("dpmSolverSteps() is DPM-Solver++(2M) when that is written as in diffusers", () => {
  const timesteps = spacedTimesteps(1000, { steps: 15, spacing });
  const alphas = [...timesteps.map((t) => tables.sqrtAlphasCumprod[t]!), 1];
  const sigmas = [...timesteps.map((t) => tables.sqrtOneMinusAlphasCumprod[t]!), 0];
  const lambdas = alphas.map((alpha, i) => Math.log(alpha / sigmas[i]!));
  const start = 0.8;
  let [x, m1] = [start, 0];
  timesteps.forEach((_, i) => {
    const m0 = denoise(x / alphas[i]!, sigmas[i]! / alphas[i]!);
    const h = lambdas[i + 1]! - lambdas[i]!;
    // multistep_dpm_solver_second_order_update, midpoint; of first order at both ends.
    const d1 = i === 0 || i === timesteps.length - 1 ? 0 : (m0 - m1) / ((lambdas[i]! - lambdas[i - 1]!) / h);
    const gain = alphas[i + 1]! * (Math.exp(-h) - 1);
    x = sigmas[i + 1]! / sigmas[i]! * x - gain * m0 - 0.5 * gain * d1;
    m1 = m0;
  });
  assertClose(runChain(dpmSolverSteps(tables, { steps: 15, spacing }), start), x, { rel: 1e-12 });
});

Deno.test("second-order samplers come closer than DDIM to the exact flow with as many evaluations", () => {
  // Data N(0, 0.25): the flow takes the deviation of x from sqrt(A s^2 + 1 - A) to s. What the chain leaves below its
  // first timestep is the same for all.
  const dataVariance = 0.25;
  const errorOf = (steps: ReverseStep[]) => {
    const first = tables.alphasCumprod[steps[0]!.t]!;
    const start = Math.sqrt(first * dataVariance + 1 - first);
    return Math.abs(outputDeviation(steps, { tables, dataVariance, start }) - 0.5);
  };
  const evaluations = 71;
  const ddim = errorOf(ddimSteps(tables, { steps: evaluations, eta: 0, spacing }));
  const solver = errorOf(dpmSolverSteps(tables, { steps: evaluations, spacing }));
  const [half, heun] = [18, 36].map((steps) => errorOf(heunSteps(tables, { steps })));
  // Measured: DDIM 2.0e-2, DPM-Solver++ 1.1e-3, Heun 5.1e-3, and 2.4e-2 with half as many steps.
  assert(solver < ddim / 15 && heun! < ddim / 3.5, `DDIM ${ddim}, DPM-Solver++ ${solver}, Heun ${heun}`);
  assert(heun! < half! / 4, `Heun ${half}, then ${heun}`);
});

Deno.test("dpmSolverSteps() of one step is DDIM's, and stays finite on a zero terminal SNR", () => {
  const ddim = ddimSteps(tables, { steps: 1, eta: 0, spacing });
  assertEquals(dpmSolverSteps(tables, { steps: 1, spacing }), ddim);
  const zeroSnr = makeTables(makeBetas({ name: "ho/linear", timesteps: 100, zeroTerminalSnr: true }));
  const steps = dpmSolverSteps(zeroSnr, { steps: 10, spacing });
  assert(steps.every((step) => Number.isFinite(step.coefX0 + step.coefXt + step.coefExtra)));
});

Deno.test("every sampler draws alike whatever an exact network predicts", () => {
  const chains = [
    ancestralSteps(tables, { variance: "fixedsmall", steps: 50 }),
    ddimSteps(tables, { steps: 20, eta: 0.5, spacing }),
    dpmSolverSteps(tables, { steps: 20, spacing }),
    heunSteps(tables, { steps: 10 }),
  ];
  for (const steps of chains) {
    const deviations = OBJECTIVES.map((objective) => outputDeviation(steps, { tables, dataVariance: 0.25, objective }));
    // Near t = 0 mu is x_0 times 1e-4 of x_t at t = 999: four digits are lost.
    assertAllClose(deviations, deviations.map(() => deviations[0]!), { rel: 1e-9 });
  }
});

Deno.test("ancestralSteps() of fewer steps walks the respaced chain", () => {
  // openai/improved-diffusion, space_timesteps(1000, "10") and the betas that follow.
  const steps = ancestralSteps(tables, { variance: "fixedlarge", steps: 10 });
  assertEquals(steps.map(({ t }) => t), [999, 888, 777, 666, 555, 444, 333, 222, 111, 0]);
  // 0.879788230392 is the beta of the step from 999 to 888.
  assertClose(steps[0]!.coefExtra ** 2, 0.879788230392, { rel: 6e-12 });
  // A step's posterior mean of x_0 and x_t that agree is sqrt(A) of where it goes: c1 + c2 sqrt(A_t) = sqrt(A_s).
  for (const [i, { t, coefX0, coefXt }] of steps.entries()) {
    const next = steps[i + 1] === undefined ? 1 : tables.sqrtAlphasCumprod[steps[i + 1]!.t]!;
    assertClose(coefX0 + coefXt * tables.sqrtAlphasCumprod[t]!, next, { rel: 1e-11 });
  }
});

Deno.test("ancestralSteps() with a learned variance hands on the range of its logarithm", () => {
  const steps = ancestralSteps(tables, { variance: "learned" });
  assertEquals([steps[0]!.coefExtra, steps.at(-1)!.coefExtra], [1, 0]);
  assertClose(steps[0]!.logVariances!.min, -3.9120238291, { rel: 1e-11 });
  assertClose(steps[0]!.logVariances!.max, Math.log(0.02), { rel: 1e-12 });
});
