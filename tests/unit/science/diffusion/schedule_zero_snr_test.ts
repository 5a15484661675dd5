import { assert, assertEquals } from "@std/assert";
import {
  hasZeroTerminalSnr,
  makeBetas,
  rescaleZeroTerminalSnr,
  SCHEDULE_NAMES,
  type ScheduleSpec,
} from "../../../../science/diffusion/schedule/betas.ts";
import { tablesFiniteInFloat32 } from "../../../support/finite_tables.ts";
import { makeTables, priorKlBitsPerDim } from "../../../../science/diffusion/schedule/tables.ts";
import { largestFiniteTimesteps, smallestNormalTimesteps } from "../../../../science/diffusion/path_problems.ts";
import { assertAllClose, assertClose, TWELVE_DIGITS } from "./assert_close.ts";

const T = 1000;
const rescaled = (spec: Omit<ScheduleSpec, "timesteps">, timesteps = T) =>
  makeTables(makeBetas({ ...spec, timesteps, zeroTerminalSnr: true }));

Deno.test("makeBetas() gives the reference betas when linear is rescaled to zero terminal SNR", () => {
  // huggingface/diffusers, rescale_zero_terminal_snr, in numpy float64.
  const { betas } = rescaled({ name: "ho/linear" });
  const wanted = [[0, 1e-4], [500, 0.0102926174264], [998, 0.75226723115], [999, 1]] as const;
  for (const [t, beta] of wanted) assertClose(betas[t]!, beta, { ...TWELVE_DIGITS, label: `beta ${t}` });
});

Deno.test("rescaleZeroTerminalSnr() shifts and scales sqrt(A) as Lin et al. 2023 say, whatever the schedule", () => {
  for (const name of SCHEDULE_NAMES) {
    const plain = makeTables(makeBetas({ name, timesteps: T })).sqrtAlphasCumprod;
    const [first, last] = [plain[0]!, plain[T - 1]!];
    const wanted = plain.map((root) => (root - last) * first / (first - last));
    const got = rescaled({ name });
    // Near the end, up to three digits of the difference in `wanted` cancel.
    assertAllClose(got.sqrtAlphasCumprod, wanted, { rel: 1e-9, abs: 1e-12, label: name });
    assertEquals([got.betas[T - 1], got.alphasCumprod[T - 1]], [1, 0]);
  }
});

Deno.test("rescaleZeroTerminalSnr() leaves a schedule that ends in pure noise as it is", () => {
  const betas = makeBetas({ name: "ho/jsd", timesteps: T });
  assertAllClose(rescaleZeroTerminalSnr(betas), betas, { rel: 1e-12 });
  assertEquals([...rescaleZeroTerminalSnr(Float64Array.of(0.3))], [1]);
});

Deno.test("makeTables() is finite but for the inverse of the signal at T - 1 when the terminal SNR is zero", () => {
  const tables = rescaled({ name: "ho/linear" });
  assert(hasZeroTerminalSnr(tables));
  assertEquals(tablesFiniteInFloat32(tables), undefined);
  const at = T - 1;
  assertEquals([tables.sqrtRecipAlphasCumprod[at], tables.sqrtRecipm1AlphasCumprod[at]], [Infinity, Infinity]);
  // q(x_{T-1} | x_T, x_0) does not depend on x_T, which is only noise.
  assertEquals([tables.snr[at], tables.sqrtOneMinusAlphasCumprod[at], tables.posteriorMeanCoef2[at]], [0, 1, 0]);
  assertEquals(priorKlBitsPerDim(tables), 0);
  assertEquals(hasZeroTerminalSnr(makeTables(makeBetas({ name: "ho/linear", timesteps: T }))), false);
});

Deno.test("tablesFiniteInFloat32() still finds the inverse of a signal that is only small", () => {
  const tables = rescaled({ name: "ldm/sqrt" }, 2000);
  const entry = tablesFiniteInFloat32(tables);
  assertEquals(entry?.table, "sqrtRecipAlphasCumprod");
  assert(entry!.t < 1999);
  const largest = largestFiniteTimesteps({ name: "ldm/sqrt", zeroTerminalSnr: true });
  assertEquals(tablesFiniteInFloat32(rescaled({ name: "ldm/sqrt" }, largest)), undefined);
  assert(tablesFiniteInFloat32(rescaled({ name: "ldm/sqrt" }, largest + 1)) !== undefined);
  // So long that even float64 has no signal left.
  const betas = rescaleZeroTerminalSnr(new Float64Array(5000).fill(0.5));
  assertEquals(tablesFiniteInFloat32(makeTables(betas))?.table, "sqrtRecipAlphasCumprod");
});

Deno.test("a chain of one timestep is pure noise when the terminal SNR is zero", () => {
  assertEquals(smallestNormalTimesteps({ name: "ldm/linear", zeroTerminalSnr: true }), 1);
});
