import { z } from "zod";
import { defineObjective, type MixtureObjective, type TimePoint } from "./define.ts";
import { makeObjective, type Objective, withNoise } from "./objective.ts";

const params = z.strictObject({});

/** Predicts the noise (Ho et al. 2020, eq. 12). The x_0 computed from it is infinite where no signal is left. */
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

/** Predicts the image. */
const x0 = defineObjective({ params, target: () => ({ x0: 1, noise: 0 }) });

/** Predicts the mean of q(x_{t-1} | x_t, x_0) (Ho et al. 2020, eq. 8). */
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

/** Predicts sqrt(A) eps - sqrt(1 - A) x_0 (Salimans & Ho 2022). */
const v = defineObjective({
  params,
  target: ({ signal, noise }) => ({ x0: -noise, noise: signal }),
  // The general solution computes the difference 1 - A, which loses digits where A is near 1.
  recover({ path, signal, noise }) {
    const whole = path.tables === undefined ? signal ** 2 + noise ** 2 : 1;
    return {
      x0: { xt: signal / whole, output: -noise / whole },
      eps: { xt: noise / whole, output: signal / whole },
    };
  },
});

/** The built-in objectives, by their names in pipelines and checkpoints. */
export const OBJECTIVES = { eps, x0, mu, v } satisfies Record<string, MixtureObjective<typeof params>>;

export type ObjectiveName = keyof typeof OBJECTIVES;

/** The objective of a network whose record names none. */
export const DEFAULT_OBJECTIVE: ObjectiveName = "eps";

export const OBJECTIVE_NAMES = Object.keys(OBJECTIVES) as [ObjectiveName, ...ObjectiveName[]];

/** Returns a built-in objective. */
export function builtinObjective(name: ObjectiveName): Objective {
  return makeObjective(OBJECTIVES[name], {});
}
