import { assertEquals, assertThrows } from "@std/assert";
import { edmSigmas } from "../../../../science/diffusion/samplers/heun.ts";
import { assertClose, TWELVE_DIGITS } from "./assert_close.ts";
import { vpSigma } from "../../../support/diffusion_references.ts";

/** The levels of the paper. */
const LEVELS = { sigmaMin: 0.002, sigmaMax: 80, rho: 7 };

Deno.test("edmSigmas() gives the reference noise levels when there are 18", () => {
  // NVlabs/edm, generate.py (edm_sampler), in numpy float64; the ends are the paper's 80 and 0.002.
  const sigmas = edmSigmas({ ...LEVELS, steps: 18 });
  assertEquals(sigmas.length, 18);
  const wanted = [[1, 57.5859847212], [2, 40.7855737965], [15, 0.0229345183723], [16, 0.00752801996278]] as const;
  for (const [i, sigma] of wanted) assertClose(sigmas[i]!, sigma, { ...TWELVE_DIGITS, label: `sigma ${i}` });
  assertClose(sigmas[0]!, 80, { rel: 1e-12 });
  assertClose(sigmas[17]!, 0.002, { rel: 1e-12 });
  assertEquals([...edmSigmas({ ...LEVELS, steps: 1 })], [80]);
});

Deno.test("vpSigma() gives the reference noise levels", () => {
  // NVlabs/edm, training/networks.py (VPPrecond.sigma), in numpy float64.
  assertEquals(vpSigma(0), 0);
  assertClose(vpSigma(1e-3), 0.0104859927867, TWELVE_DIGITS);
  assertClose(vpSigma(1), 152.166970284, TWELVE_DIGITS);
});

Deno.test("edmSigmas() and vpSigma() throw when an argument is out of range", () => {
  const wrong = [
    { steps: 4, sigmaMin: 0 },
    { steps: 4, sigmaMin: 90 },
    { steps: 4, sigmaMax: Infinity },
  ];
  for (const options of wrong) assertThrows(() => edmSigmas({ ...LEVELS, ...options }), RangeError, "wanted");
  for (const t of [-0.1, 1.1, NaN]) assertThrows(() => vpSigma(t), RangeError, `got ${t}, wanted`);
});
