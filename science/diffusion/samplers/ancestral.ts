import { z } from "zod";
import { defineSampler, type DefinitionProblem } from "../define.ts";
import { mix, transition } from "./mix.ts";
import { DATA_TIME } from "../path.ts";
import { spaceTimesteps } from "../schedule/respace.ts";
import { checkSteps } from "./spaced.ts";

/**
 * Algorithm 2 of Ho et al. 2020, from t = T - 1 down to 0: the posterior mean at the predicted x_0, plus noise at every
 * step but the last. Fewer steps run on the chain of the visited timesteps only (openai/improved-diffusion,
 * `respace.py`), which has larger betas and its own posterior and variances.
 *
 * The variance of a step (section 3.2): `fixedsmall` is the posterior's, right for data that is one point; `fixedlarge`
 * is beta, right for data N(0, I); `learned` is between them (Nichol & Dhariwal 2021, eq. 15).
 */
export default defineSampler({
  params: z.strictObject({
    variance: z.enum(["fixedsmall", "fixedlarge", "learned"]).default("fixedlarge").describe(
      "Reverse variance: posterior (fixedsmall), beta (fixedlarge), or learned by a network that was trained for it",
    ),
    // No default: a nested param with one would enter the keys of older results. At least 2: a single step would be at
    // t = 0, where the network takes noise for an image.
    steps: z.int().min(2).max(1_000_000).optional().describe(
      "Number of timesteps visited; default: all T. Few steps need variance fixedsmall or learned",
    ),
  }).describe("Algorithm 2 of Ho et al. 2020"),
  needs: "chain",
  times: ({ steps }, { timesteps }) => [...spaceTimesteps(timesteps, steps ?? timesteps).reverse(), DATA_TIME],
  evaluations: ({ steps }, timesteps) => steps ?? timesteps,
  check: ({ variance, steps = 0 }, { timesteps, learnedVariance }) => [
    ...checkSteps(steps, { timesteps }),
    ...checkVariance(["variance"], variance, learnedVariance),
    ...(variance === "fixedlarge" ? checkFixedLarge(steps, timesteps ?? 0) : []),
  ],
  async sample({ x, times, path, params: { variance }, predict, noise }) {
    for (let k = 0; k + 1 < times.length; k++) {
      const [t, s] = [times[k]!, times[k + 1]!];
      const { x0, variance: learned } = await predict(x, t);
      const { signal, variance: beta, posteriorVariance } = transition(path, s, t);
      const ofX0 = path.signal(s) * beta / path.noise(t) ** 2;
      x = mix([ofX0, x0], [signal * (path.noise(s) / path.noise(t)) ** 2, x]);
      if (s === DATA_TIME) continue;
      const z = noise(k);
      if (variance === "learned") {
        const [small, large] = [Math.log(posteriorVariance), Math.log(beta)];
        x = x.map((mean, i) => mean + Math.exp((small + learned![i]! * (large - small)) / 2) * z[i]!);
      } else x = mix([1, x], [Math.sqrt(variance === "fixedsmall" ? posteriorVariance : beta), z]);
    }
    return x;
  },
});

/** Reports a problem if the variance is `learned` and the network did not learn one. */
export function checkVariance(param: readonly string[], variance: string | undefined, learned: boolean) {
  if (variance !== "learned" || learned) return [];
  return [{
    param,
    message: "the network of the checkpoint did not learn a variance",
    got: "learned",
    wanted: "fixedsmall or fixedlarge",
    fix: "use one of them, or train with variance: learned",
  }];
}

/** With `fixedlarge`, fewer steps than this share of T leave images of noise. */
const FIXEDLARGE_SHARE = 0.1;

/**
 * Checks that there are enough steps for `fixedlarge`. The betas of a shortened chain are far above its posterior
 * variances. Published FID on CIFAR10, fixedlarge against fixedsmall: 367 and 41 for 10 steps, 9.99 and 5.78 for 100
 * (Song et al. 2021, table 1).
 */
function checkFixedLarge(steps: number, timesteps: number): DefinitionProblem[] {
  if (steps === 0 || steps >= timesteps) return [];
  const tooFew = steps < timesteps * FIXEDLARGE_SHARE;
  return [{
    severity: tooFew ? "error" : "warning",
    param: ["variance"],
    message: tooFew
      ? "with variance fixedlarge, this few ancestral steps leave only noise"
      : "ancestral sampling that skips steps is noisier with variance fixedlarge than with fixedsmall",
    got: `${steps} of ${timesteps} steps`,
    wanted: tooFew ? `at least ${Math.ceil(timesteps * FIXEDLARGE_SHARE)} steps, or another variance` : "fixedsmall",
    fix: "use variance: fixedsmall, or a sampler of few steps",
  }];
}
