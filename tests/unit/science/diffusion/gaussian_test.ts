import * as tf from "@tensorflow/tfjs-core";
import "../../../../science/tensor/complete_tfjs.ts";
import { mixed, perImage } from "../../../../science/diffusion/loss.ts";
import { type Gaussian, normalKl, qPosteriorFloat64 } from "../../../../science/diffusion/likelihood_float64.ts";
import { makeBetas } from "../../../../science/diffusion/schedule/betas.ts";
import { makeTables } from "../../../../science/diffusion/schedule/tables.ts";
import { assertAllClose, assertClose, TWELVE_DIGITS } from "./assert_close.ts";
import { predictXstartFromEpsFloat64, qSampleFloat64 } from "../../../support/diffusion_references.ts";

await tf.setBackend("cpu");

const tables = makeTables(makeBetas({ name: "ldm/sqrt_linear", timesteps: 1000 }));
const gaussian = (mean: number, logVariance: number): Gaussian => ({ mean, logVariance });

// float32 sums of two products of numbers below 160.
const FLOAT32 = { rel: 1e-6, abs: 1e-5 };

Deno.test("normalKl() gives the reference divergences when the Gaussians differ", () => {
  // hojonathanho/diffusion's normal_kl in numpy float64.
  assertClose(normalKl(gaussian(1, 0), gaussian(0, 0)), 0.5, TWELVE_DIGITS);
  assertClose(normalKl(gaussian(0, Math.LN2), gaussian(0, 0)), 0.15342640972, TWELVE_DIGITS);
  assertClose(normalKl(gaussian(0.5, -1), gaussian(0.25, 0.3)), 0.309416465913, TWELVE_DIGITS);
});

Deno.test("normalKl() gives the reference bits of the variance mismatch when the variance is fixedlarge", () => {
  const bits = Array.from({ length: 999 }, (_, i) => {
    const t = i + 1;
    const posterior = tables.posteriorLogVarianceClipped[t]!;
    return normalKl(gaussian(0, posterior), gaussian(0, Math.log(tables.betas[t]!))) / Math.LN2;
  });
  // numpy float64 on the formulas of hojonathanho/diffusion; at t = 499 the terms cancel to 1e-10 relative.
  assertClose(bits[0]!, 0.175124804588, TWELVE_DIGITS);
  assertClose(bits[1]!, 0.0746195146139, TWELVE_DIGITS);
  assertClose(bits[498]!, 2.70020274742e-07, { rel: 1e-8 });
  assertClose(bits.reduce((a, b) => a + b), 0.48641923004, { rel: 1e-11 });
});

/**
 * Returns the sum over t >= 1 of the expected KL of eq. 5, in nats, for data N(0, 1) and the exact noise prediction
 * sqrt(1 - A) x. Both means are linear in x and x0, so the expectation is a variance: with x0 = sqrt(A) x + r, Var r =
 * 1 - A, the means differ by c1 r.
 */
function boundOfExactModel(reverseLogVariance: (t: number) => number): number {
  let sum = 0;
  for (let t = 1; t < tables.timesteps; t++) {
    const posterior = qPosteriorFloat64(Math.sqrt(1 - tables.alphasCumprod[t]!), 0, { tables, t });
    sum += normalKl(posterior, gaussian(0, reverseLogVariance(t)));
  }
  return sum;
}

Deno.test("normalKl() telescopes over the chain when the model is exact", () => {
  // .5 ln((1 - A_T) / (1 - A_0)) in closed form for fixedlarge; numpy float64 for fixedsmall. Rounding over 1000 terms.
  assertClose(boundOfExactModel((t) => Math.log(tables.betas[t]!)), 4.60515000643, { rel: 1e-10 });
  assertClose(boundOfExactModel((t) => tables.posteriorLogVarianceClipped[t]!), 5.07004232518, { rel: 1e-10 });
});

const TIMES = [0, 499, 999];
const X0 = [-1, -0.25, 0.5, 1, 0, 0.75];
const NOISE = [0.3, -1.2, 2.5, 0.01, -0.7, 1.1];
const perPixel = (f: (x: number, noise: number, t: number) => number) =>
  X0.map((x, i) => f(x, NOISE[i]!, TIMES[Math.floor(i / 2)]!));
const images = (values: number[]) => tf.tensor4d(values, [3, 1, 2, 1]);
const gather = (table: Float64Array) => tf.tensor1d(TIMES.map((t) => table[t]!));

Deno.test("mixed() agrees with float64 when each image has its own timestep", () => {
  const x0 = images(X0);
  const [signal, noise] = [tables.sqrtAlphasCumprod, tables.sqrtOneMinusAlphasCumprod].map((table) =>
    perImage(gather(table), x0)
  );
  const xt = mixed(signal!, x0, noise!, images(NOISE));
  assertAllClose(xt.dataSync(), perPixel((x0, noise, t) => qSampleFloat64(x0, noise, { tables, t })), FLOAT32);
});

Deno.test("predictXstartFromEpsFloat64() recovers x0 when the noise is the one that was added", () => {
  for (const t of TIMES) {
    const xt = qSampleFloat64(0.3, -1.7, { tables, t });
    assertClose(predictXstartFromEpsFloat64(xt, -1.7, { tables, t }), 0.3, { abs: 1e-12 });
  }
});
