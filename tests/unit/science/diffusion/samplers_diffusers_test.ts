import { assertEquals } from "@std/assert";
import { makeObjective } from "../../../../science/diffusion/objective.ts";
import { OBJECTIVES } from "../../../../science/diffusion/objectives.ts";
import { chainPath, timePoint } from "../../../../science/diffusion/path.ts";
import { makeBetas } from "../../../../science/diffusion/schedule/betas.ts";
import { makeTables } from "../../../../science/diffusion/schedule/tables.ts";
import { timesOf, walkHost } from "../../../support/walk_host.ts";
import { assertClose } from "./assert_close.ts";
import oracle from "../../../golden/diffusers/schedulers.json" with { type: "json" };

/**
 * The complete loops of huggingface/diffusers, tests/schedulers/test_scheduler_ddim.py: sample arange(768) / 768, model
 * x t / (t + 1), 10 steps, eta 0, x0 clipped. The sums there hold to 1e-2; the digits here are from numpy in float64,
 * and the images between steps are float32: 768 roundings of 3e-8 in each step, which mostly cancel.
 */
const LINEAR = { name: "ldm/sqrt_linear", timesteps: 1000 } as const;
const FROM_ONE_PERCENT = { ...LINEAR, linearStart: 0.01 };
const DDIM = { name: "ddim", steps: 10, spacing: "leading" };
const START = Float64Array.from({ length: 768 }, (_, i) => i / 768);
const PRINTED = { rel: 2e-7 };

interface Loop {
  readonly sampler?: Record<string, unknown>;
  readonly spec?: Parameters<typeof makeBetas>[0];
  readonly objective?: "eps" | "v";
  readonly times?: (times: readonly number[]) => readonly number[];
  readonly start?: Float64Array;
}

async function sumOfLoop(
  { sampler = DDIM, spec = LINEAR, objective = "eps", times = (all) => all, start = START }: Loop,
): Promise<number> {
  const path = chainPath(makeTables(makeBetas(spec)));
  const { recover } = makeObjective(OBJECTIVES[objective], {});
  const { images } = await walkHost(sampler, {
    path,
    start,
    times,
    noise: () => new Float32Array(768),
    predictX0(x, t) {
      const recovery = recover!(timePoint(path, t)).x0;
      return Math.max(-1, Math.min(1, recovery.xt * x + recovery.output * x * t / (t + 1)));
    },
  });
  return images.reduce((sum, value) => sum + Math.abs(value), 0);
}

Deno.test("DDIM's loop has the sum of diffusers when the noise is predicted", async () => {
  assertClose(await sumOfLoop({}), 172.006522, PRINTED);
});

Deno.test("DDIM's loop has the sum of diffusers when v is predicted", async () => {
  assertClose(await sumOfLoop({ objective: "v" }), 52.530124, PRINTED);
});

Deno.test("DDIM's loop has the sum of diffusers when the first beta is 0.01", async () => {
  assertClose(await sumOfLoop({ spec: FROM_ONE_PERCENT }), 149.82946, PRINTED);
});

Deno.test("DDIM's loop has the sum of diffusers when the last step stays at A_0", async () => {
  // The library's set_alpha_to_one = False: with A equal on both sides, the last step changes nothing.
  assertClose(await sumOfLoop({ spec: FROM_ONE_PERCENT, times: (all) => all.slice(0, -1) }), 149.07843, PRINTED);
});

Deno.test("DDIM's loop has the sum of diffusers when it starts from a noised image two steps before the end", async () => {
  const tables = makeTables(makeBetas(LINEAR));
  const [signal, noise] = [tables.sqrtAlphasCumprod[100]!, tables.sqrtOneMinusAlphasCumprod[100]!];
  const start = START.map((value, i) => signal * value + noise * START[767 - i]!);
  assertClose(await sumOfLoop({ times: (all) => all.slice(8), start }), 354.541501, PRINTED);
});

Deno.test("the ancestral loop of all 1,000 steps has the sums of numpy when no noise is added", async () => {
  const sampler = { name: "ancestral", variance: "fixedsmall" };
  // The posterior mean of Ho et al. 2020, eq. 7, over the clipped x0, in numpy float64.
  assertClose(await sumOfLoop({ sampler }), 0.660935189017, { rel: 1e-5 });
  assertClose(await sumOfLoop({ sampler, objective: "v" }), 0.113222195001, { rel: 1e-5 });
});

Deno.test("every sampler with a spacing visits the timesteps of diffusers' scheduler of the same name", () => {
  for (const { sampler, spacing, timesteps, steps, times: wanted } of oracle.cases) {
    const path = chainPath(makeTables(new Float64Array(timesteps).fill(0.1)));
    const times = timesOf({ name: sampler, steps, spacing }, path).slice(0, -1);
    const sum = times.reduce((a, b) => a + b, 0);
    const shown = steps <= 20 ? times : [...times.slice(0, 3), ...times.slice(-3), sum];
    assertEquals(shown, wanted, `${sampler}, ${spacing}, ${steps} of ${timesteps}`);
  }
});

Deno.test("DPM-Solver++(2M)'s loops have the sums of diffusers, which rounds to float32 at every step", async () => {
  for (const { spacing, steps, sum } of oracle.loops) {
    const path = chainPath(makeTables(makeBetas(LINEAR)));
    const predictX0 = (x: number, t: number) => x * (1 - path.noise(t) * t / (t + 1)) / path.signal(t);
    const { images } = await walkHost({ name: "dpmpp-2m", steps, spacing }, { path, start: START, predictX0 });
    assertClose(images.reduce((total, value) => total + Math.abs(value), 0), sum, { rel: 2e-5, label: spacing });
  }
});
