import type { DefinitionParams, ObjectiveDefinition, ParamsOf, Recovery, TargetMixture, TimePoint } from "./define.ts";

/** What a network learned, ready to be used. */
export interface Objective {
  readonly definition: ObjectiveDefinition;
  readonly params: object;
  /** x_0 from the output, not clipped; undefined where the objective names the sampler that alone can use it. */
  readonly recoverX0: ((at: TimePoint) => Recovery) | undefined;
  /** eps from the output: the noise that its x_0, not clipped, leaves of x_t. */
  readonly recoverEps: ((at: TimePoint) => Recovery) | undefined;
}

/** An objective of given params. @throws RangeError for a free loss that says neither how x_0 is had nor which sampler fits */
export function makeObjective<P extends DefinitionParams>(
  definition: ObjectiveDefinition<P>,
  params: ParamsOf<P>,
): Objective {
  const made = { definition: definition as unknown as ObjectiveDefinition, params };
  if ("target" in definition) {
    const { target, recover } = definition;
    const both = (at: TimePoint) => recover?.(at, params) ?? solve(target(at, params), at);
    return { ...made, recoverX0: (at) => both(at).x0, recoverEps: (at) => both(at).eps };
  }
  const { recover, sampler } = definition;
  if (recover === undefined && sampler === undefined) {
    throw new RangeError("Objective with a loss of its own: got neither recover nor sampler, wanted one of them");
  }
  if (recover === undefined) return { ...made, recoverX0: undefined, recoverEps: undefined };
  const eps = (at: TimePoint): Recovery => {
    const x0 = recover(at, params);
    return { xt: (1 - at.signal * x0.xt) / at.noise, output: -at.signal * x0.output / at.noise };
  };
  return { ...made, recoverX0: (at) => recover(at, params), recoverEps: eps };
}

/** With target = a x_0 + b eps and x_t = s x_0 + n eps: two equations for x_0 and eps. */
function solve(target: TargetMixture, { signal, noise }: TimePoint): { readonly x0: Recovery; readonly eps: Recovery } {
  const determinant = target.x0 * noise - target.noise * signal;
  return {
    x0: { xt: -target.noise / determinant, output: noise / determinant },
    eps: { xt: target.x0 / determinant, output: -signal / determinant },
  };
}
