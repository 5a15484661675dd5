import type { Facts } from "../../contract/stage.ts";
import { type PathDefinition, type SamplerDefinition, sortOf } from "../../diffusion/define.ts";
import { definedPath } from "../../diffusion/path.ts";
import { definedOnly } from "../../std/defined_only.ts";

/**
 * What is known of a definition of the user's own before any images are: facts for the checks of the kinds that it is used in.
 * Called in a process that may do nothing, with params that fit its schema.
 */
export function describeDefinition(definition: unknown, params: Readonly<Record<string, unknown>>): Facts {
  if (sortOf(definition) === "sampler") return definedOnly({ needs: (definition as SamplerDefinition).needs });
  if (sortOf(definition) !== "path") return {};
  const path = definedPath(definition as PathDefinition, params, params["timesteps"] as number);
  return { timesteps: path.timesteps, variancePreserving: path.tables !== undefined };
}
