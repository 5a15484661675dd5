import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { makeBetas, SCHEDULE_NAMES, type ScheduleName } from "../../../../science/diffusion/schedule/betas.ts";
import { tablesFiniteInFloat32 } from "../../../support/finite_tables.ts";
import { makeTables, priorKlBitsPerDim } from "../../../../science/diffusion/schedule/tables.ts";
import { largestFiniteTimesteps, smallestNormalTimesteps } from "../../../../science/diffusion/path_problems.ts";
import { assertClose, TWELVE_DIGITS } from "./assert_close.ts";

const tablesOf = (name: ScheduleName, timesteps: number) => makeTables(makeBetas({ name, timesteps }));

Deno.test("makeTables() throws with the timestep when a beta is not in (0, 1]", () => {
  for (const beta of [0, -0.1, 1.1, NaN]) {
    assertThrows(() => makeTables(Float64Array.of(0.1, beta)), RangeError, `got ${beta} at t=1`);
  }
  assertThrows(() => makeTables(new Float64Array()), RangeError, "got none");
});

Deno.test("makeTables() is finite everywhere when T is 1", () => {
  for (const name of SCHEDULE_NAMES) {
    const tables = tablesOf(name, 1);
    assertEquals(tablesFiniteInFloat32(tables), undefined);
    assertEquals(tables.posteriorVariance[0], 0);
    assertEquals(tables.posteriorLogVarianceClipped[0], Math.log(tables.betas[0]!));
  }
});

// Identities of Ho et al. 2020, eq. 4 and 7. Tolerance: rounding over at most 300 float64 products.
Deno.test("makeTables() satisfies the identities of the posterior when betas are arbitrary", () => {
  const betas = fc.array(fc.double({ min: 1e-6, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(betas, (values) => {
      const tables = makeTables(Float64Array.from(values));
      for (let t = 0; t < values.length; t++) {
        const signal = tables.alphasCumprod[t]!;
        const previous = tables.alphasCumprodPrev[t]!;
        assert(signal < previous && signal >= 0);
        assertClose(
          tables.posteriorMeanCoef1[t]! + tables.posteriorMeanCoef2[t]! * Math.sqrt(signal),
          Math.sqrt(previous),
          { abs: 1e-12 },
        );
        if (t === 0) continue;
        const precision = 1 / tables.sqrtOneMinusAlphasCumprod[t - 1]! ** 2 + tables.alphas[t]! / tables.betas[t]!;
        assertClose(tables.posteriorVariance[t]!, 1 / precision, { rel: 1e-12 });
      }
    }),
    { numRuns: 50, seed: 1 },
  );
});

Deno.test("makeTables() crosses the reference timesteps when the signal to noise ratio falls", () => {
  const { snr } = tablesOf("ldm/sqrt_linear", 1000);
  // numpy float64, hojonathanho/diffusion's linear schedule.
  assertEquals([snr.findIndex((x) => x < 5), snr.findIndex((x) => x < 1)], [130, 259]);
});

Deno.test("priorKlBitsPerDim() gives the reference bits when T is 1000", () => {
  // Ho et al. 2020, appendix B formula in numpy float64. That form cancels if A is 4e-5, so its own error is 1e-11
  // relative for a mean square of 1, 3e-10 for 1/3, and 1e-7 for 0.
  const linear = tablesOf("ldm/sqrt_linear", 1000);
  assertClose(priorKlBitsPerDim(linear), 2.91129454203e-05, { rel: 2e-11 });
  assertClose(priorKlBitsPerDim(linear, 1 / 3), 9.70470679235e-06, { rel: 1e-9 });
  assertClose(priorKlBitsPerDim(linear, 0), 5.87478388676e-10, { rel: 1e-7 });
  assertClose(priorKlBitsPerDim(tablesOf("ldm/linear", 1000)), 5.29239358283e-04, TWELVE_DIGITS);
  assertClose(priorKlBitsPerDim(tablesOf("ldm/cosine", 1000)), 1.75198498613e-09, { rel: 1e-7 });
  const stable = makeTables(makeBetas({ name: "ldm/linear", timesteps: 1000, linearStart: 0.00085, linearEnd: 0.012 }));
  assertClose(priorKlBitsPerDim(stable), 3.36940750479e-03, TWELVE_DIGITS);
});

Deno.test("smallestNormalTimesteps() is the first T within the limit when the schedule reaches it", () => {
  const found = SCHEDULE_NAMES.map((name) => smallestNormalTimesteps({ name }));
  assertEquals(found, [1231, 5, 879, 89, 879, 1231, 463, 586, 440, 1, 5]);
  SCHEDULE_NAMES.forEach((name, i) => {
    assert(priorKlBitsPerDim(tablesOf(name, found[i]!)) <= 1e-4);
    if (found[i]! > 1) assert(priorKlBitsPerDim(tablesOf(name, found[i]! - 1)) > 1e-4);
  });
});

Deno.test("smallestNormalTimesteps() is undefined when no T within the limit is enough", () => {
  assertEquals(smallestNormalTimesteps({ name: "ldm/linear" }, 1230), undefined);
  assertEquals(smallestNormalTimesteps({ name: "ldm/linear" }, 1231), 1231);
  assertEquals(smallestNormalTimesteps({ name: "ldm/linear", linearStart: 1e-7, linearEnd: 1e-7 }), undefined);
});

Deno.test("tablesFiniteInFloat32() accepts entries that round to zero or to a subnormal", () => {
  const tables = tablesOf("ldm/sqrt", 1500);
  assertEquals(Math.fround(tables.alphasCumprod[1499]!), 0);
  assertEquals(tablesFiniteInFloat32(tables), undefined);
});

Deno.test("tablesFiniteInFloat32() names table and timestep when the signal cannot be inverted", () => {
  const problem = tablesFiniteInFloat32(tablesOf("ldm/sqrt", 2000));
  assertEquals(problem?.table, "sqrtRecipAlphasCumprod");
  assert(problem!.value > 3.4028234663852886e38, "larger than the largest float32");
});

Deno.test("largestFiniteTimesteps() is the last T that works when the schedule overflows", () => {
  const names = ["ldm/linear", "ldm/sqrt_linear", "ldm/sqrt", "ho/warmup10", "ho/warmup50", "ho/const"] as const;
  const found = names.map((name) => ({ name, largest: largestFiniteTimesteps({ name }) }));
  assertEquals(found.map(({ largest }) => largest), [24594, 17538, 1771, 9244, 11704, 8783]);
  for (const { name, largest } of found) {
    assertEquals(tablesFiniteInFloat32(tablesOf(name, largest)), undefined);
    assertEquals(tablesFiniteInFloat32(tablesOf(name, largest + 1))?.table, "sqrtRecipAlphasCumprod");
  }
  for (const name of ["ldm/cosine", "ho/jsd", "sigmoid"] as const) {
    assertEquals(largestFiniteTimesteps({ name }, 5000), 5000);
  }
});
