import type { Facts } from "../../engine/contract/stage.ts";
import { sortOf } from "../../science/diffusion/define.ts";
import { conditionsOf } from "../../science/diffusion/augmentations.ts";
import type {
  AugmentationDefinition,
  ObjectiveDefinition,
  PathDefinition,
  SamplerDefinition,
} from "../../science/diffusion/define.ts";
import { makeObjective, type Objective } from "../../science/diffusion/objective.ts";
import { chainPath, definedPath, pathFacts, timePoint } from "../../science/diffusion/path.ts";
import { pathProblems } from "../../science/diffusion/path_problems.ts";
import { makeTables } from "../../science/diffusion/schedule/tables.ts";
import { definedOnly } from "../../std/defined_only.ts";

/**
 * Returns the facts of a user's definition that are known before there are any images, for the checks of the kinds that
 * use it. Called in a process without permissions, with params that fit the definition's schema.
 */
export function describeDefinition(definition: unknown, params: Readonly<Record<string, unknown>>): Facts {
  switch (sortOf(definition)) {
    case "objective":
      return objectiveFacts(makeObjective(definition as ObjectiveDefinition, params));
    case "sampler":
      return definedOnly({ needs: (definition as SamplerDefinition).needs });
    case "augmentation":
      return { conditions: conditionsOf({ definition: definition as AugmentationDefinition, params }) };
    case "path": {
      const { timesteps, ...own } = params;
      const path = definedPath(definition as PathDefinition, own, timesteps as number);
      const draws = (definition as PathDefinition).draw === undefined ? {} : { draws: true };
      const problems = pathProblems(path);
      // Facts of a path that is none may be infinite, which facts that go into keys cannot be.
      const sound = problems.every(({ severity }) => severity === "warning");
      return { ...(sound ? pathFacts(path) : { timesteps }), ...draws, problems };
    }
    default:
      return {};
  }
}

/** The facts of an objective that checks use before anything runs. */
export type ObjectiveFacts = ReturnType<typeof objectiveFacts>;

export function objectiveFacts(objective: Objective) {
  const { definition } = objective;
  const free = "loss" in definition;
  return {
    /** True for a loss of any form, without a target that is a mixture. */
    free,
    weighted: !free && definition.weight !== undefined,
    /** True if the output gives no x_0 where no signal is left. */
    needsSignal: needsSignal(objective),
    ...definedOnly({ needs: definition.needs, sampler: free ? definition.sampler : undefined }),
  };
}

/**
 * True if the output gives no x_0 where x_t holds nothing of x_0: at the last time of a chain that ends in pure noise.
 */
function needsSignal({ recover }: Objective): boolean {
  const path = chainPath(makeTables(Float64Array.of(0.5, 1)));
  const gives = (t: number) => {
    const { xt = NaN, output = NaN } = recover?.(timePoint(path, t)).x0 ?? {};
    return Number.isFinite(xt) && Number.isFinite(output);
  };
  // An objective that never gives an x_0 has another problem, reported elsewhere.
  return gives(0) && !gives(1);
}
