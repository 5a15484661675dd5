import type { DefinitionParams, ObjectiveDefinition, ParamsOf, Recovery, TargetMixture, TimePoint } from "./define.ts";

/** The formulas for x_0, not clipped, and for the noise that x_0 leaves in x_t, from the output. */
type Recovered = Readonly<Record<"x0" | "eps", Recovery>>;

/** The objective that a network was trained with, together with its params. */
export interface Objective {
  readonly definition: ObjectiveDefinition;
  readonly params: object;
  /** Undefined if the objective names the only sampler that can use the output. */
  readonly recover: ((at: TimePoint) => Recovered) | undefined;
}

/** Binds an objective to its params. */
export function makeObjective<P extends DefinitionParams>(
  definition: ObjectiveDefinition<P>,
  params: ParamsOf<P>,
): Objective {
  const made = { definition: definition as unknown as ObjectiveDefinition, params };
  if ("target" in definition) {
    return { ...made, recover: (at) => definition.recover?.(at, params) ?? solve(definition.target(at, params), at) };
  }
  const { recover } = definition;
  return { ...made, recover: recover && ((at) => withNoise(recover(at, params), at)) };
}

/** Adds the formula for eps: with x_t = s x_0 + n eps, eps = (x_t - s x_0) / n. */
export function withNoise(x0: Recovery, { signal, noise }: TimePoint): Recovered {
  return { x0, eps: { xt: (1 - signal * x0.xt) / noise, output: -signal * x0.output / noise } };
}

/** Solves two equations for x_0 and eps: target = a x_0 + b eps and x_t = s x_0 + n eps. */
function solve(target: TargetMixture, { signal, noise }: TimePoint): Recovered {
  const determinant = target.x0 * noise - target.noise * signal;
  return {
    x0: { xt: -target.noise / determinant, output: noise / determinant },
    eps: { xt: target.x0 / determinant, output: -signal / determinant },
  };
}
