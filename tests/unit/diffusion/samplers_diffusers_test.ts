import { x0Recovery } from "../../../diffusion/objective.ts";
import { ancestralSteps } from "../../../diffusion/samplers/ancestral.ts";
import { ddimSteps } from "../../../diffusion/samplers/ddim.ts";
import type { ReverseStep } from "../../../diffusion/samplers/reverse_step.ts";
import { makeBetas } from "../../../diffusion/schedule/betas.ts";
import { makeTables } from "../../../diffusion/schedule/tables.ts";
import { assertClose } from "./assert_close.ts";
import { reverseStepHost } from "../../support/diffusion_references.ts";

/**
 * The full loops of huggingface/diffusers, tests/schedulers/test_scheduler_ddim.py: sample arange(768) / 768, model
 * x t / (t + 1), 10 steps, eta 0, x0 clipped. Its sums hold to 1e-2; the digits here are from numpy in float64.
 */
const LINEAR = { name: "ldm/sqrt_linear", timesteps: 1000 } as const;
const FROM_ONE_PERCENT = { ...LINEAR, linearStart: 0.01 };
const DDIM = { steps: 10, eta: 0, spacing: "leading" } as const;
const START = Float64Array.from({ length: 768 }, (_, i) => i / 768);
const PRINTED = { abs: 6e-7 };

interface Loop {
  readonly spec?: Parameters<typeof makeBetas>[0];
  readonly objective?: "eps" | "v";
  readonly taken?: (steps: ReverseStep[]) => ReverseStep[];
  readonly start?: Float64Array<ArrayBuffer>;
}

function sumOfLoop({ spec = LINEAR, objective = "eps", taken = (steps) => steps, start = START }: Loop): number {
  const tables = makeTables(makeBetas(spec));
  let x = start;
  for (const step of taken(ddimSteps(tables, DDIM))) {
    const output = x.map((value) => value * step.t / (step.t + 1));
    const recovery = x0Recovery(objective, { tables, t: step.t });
    x = Float64Array.from(reverseStepHost(step, recovery, { x, output, extra: x }).x);
  }
  return x.reduce((sum, value) => sum + Math.abs(value), 0);
}

Deno.test("DDIM's loop has the sum of diffusers when the noise is predicted", () => {
  assertClose(sumOfLoop({}), 172.006522, PRINTED);
});

Deno.test("DDIM's loop has the sum of diffusers when v is predicted", () => {
  assertClose(sumOfLoop({ objective: "v" }), 52.530124, PRINTED);
});

Deno.test("DDIM's loop has the sum of diffusers when the first beta is 0.01", () => {
  assertClose(sumOfLoop({ spec: FROM_ONE_PERCENT }), 149.82946, PRINTED);
});

Deno.test("DDIM's loop has the sum of diffusers when the last step stays at A_0", () => {
  // Their set_alpha_to_one = False: with A equal on both sides, the last step changes nothing.
  assertClose(sumOfLoop({ spec: FROM_ONE_PERCENT, taken: (steps) => steps.slice(0, -1) }), 149.07843, PRINTED);
});

Deno.test("DDIM's loop has the sum of diffusers when it starts from a noised image two steps before the end", () => {
  const tables = makeTables(makeBetas(LINEAR));
  const [signal, noise] = [tables.sqrtAlphasCumprod[100]!, tables.sqrtOneMinusAlphasCumprod[100]!];
  const start = START.map((value, i) => signal * value + noise * START[767 - i]!);
  assertClose(sumOfLoop({ taken: (steps) => steps.slice(8), start }), 354.541501, PRINTED);
});

Deno.test("the ancestral loop of all 1,000 steps has the sums of numpy when no noise is added", () => {
  const tables = makeTables(makeBetas(LINEAR));
  const sumOf = (objective: "eps" | "v") => {
    let x = START;
    for (const step of ancestralSteps(tables, { variance: "fixedsmall" })) {
      const output = x.map((value) => value * step.t / (step.t + 1));
      const recovery = x0Recovery(objective, { tables, t: step.t });
      x = Float64Array.from(reverseStepHost({ ...step, coefExtra: 0 }, recovery, { x, output, extra: x }).x);
    }
    return x.reduce((sum, value) => sum + Math.abs(value), 0);
  };
  // The posterior mean of Ho et al. 2020, eq. 7, over the clipped x0, in numpy float64: twelve digits.
  assertClose(sumOf("eps"), 0.660935189017, { rel: 2e-12 });
  assertClose(sumOf("v"), 0.113222195001, { rel: 1e-11 });
});
