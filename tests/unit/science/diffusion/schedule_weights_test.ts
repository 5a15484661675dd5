import { assertEquals } from "@std/assert";
import { makeBetas } from "../../../../science/diffusion/schedule/betas.ts";
import { lossWeight } from "../../../../science/diffusion/loss_tables.ts";
import type { ObjectiveName } from "../../../../science/diffusion/objectives.ts";
import { type DiffusionTables, makeTables } from "../../../../science/diffusion/schedule/tables.ts";
import { objectiveNamed, onChain } from "../../../support/objectives.ts";
import { assertAllClose, assertClose, TWELVE_DIGITS } from "./assert_close.ts";

const tables = makeTables(makeBetas({ name: "ho/linear", timesteps: 1000 }));
const { snr, alphasCumprod } = tables;

/** Returns the min-SNR weights at each timestep, with gamma 5. */
function minSnrWeights(target: ObjectiveName, chain: DiffusionTables = tables): Float64Array {
  const options = {
    objective: objectiveNamed(target),
    weighting: "min-snr",
    minSnrGamma: 5,
    variance: "fixedlarge",
  } as const;
  return chain.betas.map((_, t) => lossWeight(onChain({ tables: chain, t }), options));
}

Deno.test("min-SNR weights are the reference weights when gamma is 5", () => {
  // lucidrains/denoising-diffusion-pytorch, in numpy float64, linear schedule.
  const [eps, x0, v] = (["eps", "x0", "v"] as const).map((target) => minSnrWeights(target));
  assertClose(eps![99]!, 0.574023250374, TWELVE_DIGITS);
  assertClose(v![99]!, 0.514909271625, TWELVE_DIGITS);
  assertEquals(eps![499], 1);
  assertClose(v![499]!, 0.0785872428818, TWELVE_DIGITS);
  assertAllClose([x0![0]!, x0![499]!], [5, snr[499]!], TWELVE_DIGITS);
});

Deno.test("min-SNR weights weigh the same loss whatever the network predicts", () => {
  // An error d of x_0 is an error d sqrt(SNR) of eps, and d / sqrt(1 - A) of v.
  const weight = minSnrWeights;
  assertAllClose(weight("eps").map((w, t) => w * snr[t]!), weight("x0"), { rel: 1e-12 });
  assertAllClose(weight("v").map((w, t) => w / (1 - alphasCumprod[t]!)), weight("x0"), { rel: 1e-12 });
});

Deno.test("min-SNR weights have a value when the SNR is zero", () => {
  const noise = makeTables(Float64Array.of(1));
  const weights = (["eps", "x0", "v"] as const).map((target) => minSnrWeights(target, noise)[0]);
  assertEquals(weights, [1, 0, 0]);
});
