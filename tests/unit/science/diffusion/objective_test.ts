import { assertEquals } from "@std/assert";
import { qPosteriorFloat64 } from "../../../../science/diffusion/likelihood_float64.ts";
import { type LossOptions, lossWeight } from "../../../../science/diffusion/loss_tables.ts";
import { OBJECTIVE_NAMES, type ObjectiveName } from "../../../../science/diffusion/objectives.ts";
import { makeBetas } from "../../../../science/diffusion/schedule/betas.ts";
import { type DiffusionTables, makeTables } from "../../../../science/diffusion/schedule/tables.ts";
import { assertAllClose, assertClose, TWELVE_DIGITS } from "./assert_close.ts";
import { boundWeights, qSampleFloat64 } from "../../../support/diffusion_references.ts";
import { objectiveNamed, onChain, targetAt } from "../../../support/objectives.ts";

const tables = makeTables(makeBetas({ name: "ho/linear", timesteps: 1000 }));
const TIMES = [0, 1, 99, 499, 998, 999];
const [X0, EPS] = [0.3, -1.2];
type At = Parameters<typeof onChain>[0];
const targetMixture = (name: ObjectiveName, at: At) => targetAt(objectiveNamed(name), onChain(at));
const x0Recovery = (name: ObjectiveName, at: At) => objectiveNamed(name).recover!(onChain(at)).x0;
const epsRecovery = (name: ObjectiveName, at: At) => objectiveNamed(name).recover!(onChain(at)).eps;

/** Returns the weights at each timestep. */
function lossWeights(
  tables: DiffusionTables,
  { objective, ...options }: Omit<LossOptions, "objective" | "path"> & { objective: ObjectiveName },
): Float64Array {
  const at = (t: number) => lossWeight(onChain({ tables, t }), { ...options, objective: objectiveNamed(objective) });
  return tables.betas.map((_, t) => at(t));
}

const WEIGHTING = { minSnrGamma: 5, variance: "fixedlarge" } as const;

Deno.test("the target is what each objective is defined as", () => {
  for (const t of TIMES) {
    const at = { tables, t };
    const xt = qSampleFloat64(X0, EPS, at);
    const target = (objective: "eps" | "x0" | "mu" | "v") => {
      const { x0, noise } = targetMixture(objective, at);
      return x0 * X0 + noise * EPS;
    };
    assertEquals([target("eps"), target("x0")], [EPS, X0]);
    // Ho et al. 2020, eq. 7; Salimans & Ho 2022, section 4.
    assertClose(target("mu"), qPosteriorFloat64(X0, xt, at).mean, { rel: 1e-11 });
    assertClose(target("v"), tables.sqrtAlphasCumprod[t]! * EPS - tables.sqrtOneMinusAlphasCumprod[t]! * X0, {
      rel: 1e-14,
    });
  }
});

Deno.test("recover() undoes the target at every timestep", () => {
  for (const objective of OBJECTIVE_NAMES) {
    for (const t of TIMES) {
      const at = { tables, t };
      const xt = qSampleFloat64(X0, EPS, at);
      const { x0, noise } = targetMixture(objective, at);
      const target = x0 * X0 + noise * EPS;
      const recovered = [x0Recovery(objective, at), epsRecovery(objective, at)].map(({ xt: a, output: b }) =>
        a * xt + b * target
      );
      // mu at t = 999 is x_t except for a share of 1e-4 of x_0: four digits cancel. x_0 of eps at t = 999: two.
      assertAllClose(recovered, [X0, EPS], { abs: 1e-9, label: `${objective} at t=${t}` });
    }
  }
});

Deno.test("x0, mu and v are recovered where no signal is left, eps is not", () => {
  const zeroSnr = makeTables(makeBetas({ name: "ho/linear", timesteps: 1000, zeroTerminalSnr: true }));
  const at = { tables: zeroSnr, t: 999 };
  for (const objective of ["x0", "mu", "v"] as const) {
    for (const { xt, output } of [x0Recovery(objective, at), epsRecovery(objective, at)]) {
      assertEquals([Number.isFinite(xt), Number.isFinite(output)], [true, true], objective);
    }
    assertEquals(lossWeights(zeroSnr, { objective, weighting: "vlb", ...WEIGHTING }).every(Number.isFinite), true);
  }
  assertEquals(Number.isFinite(x0Recovery("eps", at).xt), false);
  assertEquals(lossWeights(zeroSnr, { objective: "eps", weighting: "vlb", ...WEIGHTING })[999], Infinity);
});

Deno.test("lossWeight() of the bound are those of Ho et al. when the noise is predicted", () => {
  const weights = lossWeights(tables, { objective: "eps", weighting: "vlb", ...WEIGHTING });
  const wanted = boundWeights(tables, "fixedlarge");
  assertAllClose(weights.subarray(1).map((w) => w * Math.LN2), wanted.subarray(1), { rel: 1e-11 });
  // hojonathanho/diffusion in numpy float64: eq. 12 with beta and with the posterior variance, nats.
  assertClose(weights[499]! * Math.LN2, 0.00550343192562, TWELVE_DIGITS);
  const small = lossWeights(tables, { objective: "eps", weighting: "vlb", minSnrGamma: 5, variance: "fixedsmall" });
  assertClose(small[499]! * Math.LN2, 0.00550819651055, TWELVE_DIGITS);
  // At t = 0 the density of x_0 itself: 1 / (2 s^2) of its error, (1 - A) / A of the noise's error; s^2 is Bt_1.
  assertClose(weights[0]! * Math.LN2, 1 / (2 * 5.4531876613e-05 * 9999), { rel: 1e-10 });
});

Deno.test("lossWeight() other than simple weigh an error of x_0 alike under every objective", () => {
  for (const weighting of ["vlb", "min-snr"] as const) {
    const [first, ...others] = OBJECTIVE_NAMES.map((objective) => {
      // The square of an error of x_0, relative to that of the prediction.
      const ratios = tables.betas.map((_, t) => 1 / x0Recovery(objective, { tables, t }).output ** 2);
      return lossWeights(tables, { objective, weighting, ...WEIGHTING }).map((weight, t) => weight * ratios[t]!);
    });
    for (const other of others) assertAllClose(other, first!, { rel: 1e-12 });
  }
  assertEquals(lossWeights(tables, { objective: "mu", weighting: "simple", ...WEIGHTING })[7], 1);
});
