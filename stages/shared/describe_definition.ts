import type { Facts } from "../../contract/stage.ts";
import {
  type ObjectiveDefinition,
  type PathDefinition,
  type SamplerDefinition,
  sortOf,
} from "../../diffusion/define.ts";
import { makeObjective } from "../../diffusion/objective.ts";
import { definedPath, pathFacts } from "../../diffusion/path.ts";
import { pathProblems } from "../../diffusion/path_problems.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { objectiveFacts } from "./describe_objective.ts";

/**
 * What is known of a definition of the user's own before any images are: facts for the checks of the kinds that it is used in.
 * Called in a process that may do nothing, with params that fit its schema.
 */
export function describeDefinition(definition: unknown, params: Readonly<Record<string, unknown>>): Facts {
  switch (sortOf(definition)) {
    case "objective":
      return objectiveFacts(makeObjective(definition as ObjectiveDefinition, params));
    case "sampler":
      return definedOnly({ needs: (definition as SamplerDefinition).needs });
    case "path": {
      const { timesteps, ...own } = params;
      const path = definedPath(definition as PathDefinition, own, timesteps as number);
      const draws = (definition as PathDefinition).draw === undefined ? {} : { draws: true };
      return { ...pathFacts(path), ...draws, problems: pathProblems(path) };
    }
    default:
      return {};
  }
}
