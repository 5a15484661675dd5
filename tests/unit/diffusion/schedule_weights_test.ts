import { assertEquals } from "@std/assert";
import { makeBetas } from "../../../diffusion/schedule/betas.ts";
import { minSnrWeights } from "../../../diffusion/loss_weighting.ts";
import { makeTables } from "../../../diffusion/schedule/tables.ts";
import { assertAllClose, assertClose, TWELVE_DIGITS } from "./assert_close.ts";

const { snr, alphasCumprod } = makeTables(makeBetas({ name: "ho/linear", timesteps: 1000 }));

Deno.test("minSnrWeights() gives the reference weights when gamma is 5", () => {
  // lucidrains/denoising-diffusion-pytorch, in numpy float64, linear schedule.
  const [eps, x0, v] = (["eps", "x0", "v"] as const).map((target) => minSnrWeights(snr, { target, gamma: 5 }));
  assertClose(eps![99]!, 0.574023250374, TWELVE_DIGITS);
  assertClose(v![99]!, 0.514909271625, TWELVE_DIGITS);
  assertEquals(eps![499], 1);
  assertClose(v![499]!, 0.0785872428818, TWELVE_DIGITS);
  assertEquals([x0![0], x0![499]], [5, snr[499]]);
});

Deno.test("minSnrWeights() weight the same loss whatever the network predicts", () => {
  // An error d of x_0 is an error d sqrt(SNR) of eps, and d / sqrt(1 - A) of v.
  const weight = (target: "eps" | "x0" | "v") => minSnrWeights(snr, { target, gamma: 5 });
  assertAllClose(weight("eps").map((w, t) => w * snr[t]!), weight("x0"), { rel: 1e-12 });
  assertAllClose(weight("v").map((w, t) => w / (1 - alphasCumprod[t]!)), weight("x0"), { rel: 1e-12 });
});

Deno.test("minSnrWeights() have a value when the SNR is zero", () => {
  const weights = (["eps", "x0", "v"] as const).map((target) =>
    minSnrWeights(Float64Array.of(0), { target, gamma: 5 })[0]
  );
  assertEquals(weights, [1, 0, 0]);
});
