import type { DefinitionParams, ObjectiveDefinition, ParamsOf, Recovery, TargetMixture, TimePoint } from "./define.ts";

/** How x_0, not clipped, and the noise that it leaves of x_t are had from the output. */
export type Recovered = Readonly<Record<"x0" | "eps", Recovery>>;

/** What a network learned, ready to be used. */
export interface Objective {
  readonly definition: ObjectiveDefinition;
  readonly params: object;
  /** Undefined where the objective names the sampler that alone can use the output. */
  readonly recover: ((at: TimePoint) => Recovered) | undefined;
}

/** An objective of given params. */
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

/** With x_t = s x_0 + n eps, x_0 leaves eps = (x_t - s x_0) / n. */
export function withNoise(x0: Recovery, { signal, noise }: TimePoint): Recovered {
  return { x0, eps: { xt: (1 - signal * x0.xt) / noise, output: -signal * x0.output / noise } };
}

/** With target = a x_0 + b eps and x_t = s x_0 + n eps: two equations for x_0 and eps. */
function solve(target: TargetMixture, { signal, noise }: TimePoint): Recovered {
  const determinant = target.x0 * noise - target.noise * signal;
  return {
    x0: { xt: -target.noise / determinant, output: noise / determinant },
    eps: { xt: target.x0 / determinant, output: -signal / determinant },
  };
}
