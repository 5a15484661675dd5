import { z } from "zod";
import { defineObjective, type MixtureObjective, type TimePoint } from "./define.ts";
import { makeObjective, type Objective, withNoise } from "./objective.ts";

const params = z.strictObject({});

/** The noise (Ho et al. 2020, eq. 12). Its x_0 is infinite where no signal is left. */
const eps = defineObjective({
  params,
  target: () => ({ x0: 0, noise: 1 }),
  recover: ({ path: { tables }, t, signal, noise }) => ({
    x0: {
      xt: tables?.sqrtRecipAlphasCumprod[t] ?? 1 / signal,
      output: -(tables?.sqrtRecipm1AlphasCumprod[t] ?? noise / signal),
    },
    eps: { xt: 0, output: 1 },
  }),
});

/** The image. */
const x0 = defineObjective({ params, target: () => ({ x0: 1, noise: 0 }) });

/** The mean of q(x_{t-1} | x_t, x_0) (Ho et al. 2020, eq. 8). */
const mu = defineObjective({
  params,
  needs: "chain",
  // c1 + c2 sqrt(A_t) = sqrt(A_{t-1}).
  target: (at) => ({ x0: at.path.signal(at.t - 1), noise: meanFactors(at).xt * at.noise }),
  recover(at) {
    const { x0, xt } = meanFactors(at);
    return withNoise({ xt: -xt / x0, output: 1 / x0 }, at);
  },
});

function meanFactors({ path, t }: TimePoint) {
  const { posteriorMeanCoef1, posteriorMeanCoef2 } = path.tables!;
  return { x0: posteriorMeanCoef1[t]!, xt: posteriorMeanCoef2[t]! };
}

/** sqrt(A) eps - sqrt(1 - A) x_0 (Salimans & Ho 2022). */
const v = defineObjective({
  params,
  target: ({ signal, noise }) => ({ x0: -noise, noise: signal }),
  // The difference 1 - A of the general form cancels where A is near 1.
  recover({ path, signal, noise }) {
    const whole = path.tables === undefined ? signal ** 2 + noise ** 2 : 1;
    return {
      x0: { xt: signal / whole, output: -noise / whole },
      eps: { xt: noise / whole, output: signal / whole },
    };
  },
});

/** Objectives that come with the toolkit, by the names that pipelines and checkpoints have for them. */
export const OBJECTIVES = { eps, x0, mu, v } satisfies Record<string, MixtureObjective<typeof params>>;

export type ObjectiveName = keyof typeof OBJECTIVES;

/** What a network predicts that is not said to predict anything else. */
export const DEFAULT_OBJECTIVE: ObjectiveName = "eps";

export const OBJECTIVE_NAMES = Object.keys(OBJECTIVES) as [ObjectiveName, ...ObjectiveName[]];

/** An objective that comes with the toolkit. */
export function builtinObjective(name: ObjectiveName): Objective {
  return makeObjective(OBJECTIVES[name], {});
}
