import type { DefinitionParams, PathDefinition } from "../../diffusion/define.ts";
import { definedPath } from "../../diffusion/path.ts";
import { pathProblems } from "../../diffusion/path_problems.ts";
import { parseParams, throwProblems } from "./problems.ts";

/** How to check a path. */
export interface PathCheckOptions<P extends DefinitionParams> {
  /** As in a pipeline file: defaults are filled in. */
  readonly params?: P["_zod"]["input"];
  /** T, as of the schedule stage. Default 1,250. */
  readonly timesteps?: number;
}

/**
 * Check a noise path: it starts at the image, loses signal to noise at each timestep in numbers that float32 holds, ends
 * in noise, is the same at each call, and draws training times within itself.
 *
 * @throws Error that lists all that does not hold, or what the path itself throws
 */
export async function checkPath<P extends DefinitionParams>(
  definition: PathDefinition<P>,
  { params, timesteps = 1250 }: PathCheckOptions<P> = {},
): Promise<void> {
  throwProblems("path", pathProblems(definedPath(definition, parseParams(definition, params), timesteps)));
}
