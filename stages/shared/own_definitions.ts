import type { OwnDefinition } from "../../engine/contract/stage.ts";
import type { Definitions } from "../../science/diffusion/define.ts";
import type { OwnParam, OwnRecord, Sort } from "../../schemas/definitions.ts";
import { fileName } from "../../std/file_name.ts";

/**
 * Returns the definition that a param of the stage names by its file, with its record for an artifact. The engine has
 * loaded the definition, or the stage would not run.
 */
export function definitionByFile<S extends Sort>(
  sort: S,
  { uses, ...params }: OwnParam,
  definitions: readonly OwnDefinition[],
) {
  const found = definitions.find((one) => one.sort === sort && one.uses === uses);
  if (found === undefined) throw new Error(`The ${sort} of ${uses} is not among the stage's definitions`);
  const definition = found.definition as Definitions[S];
  const record: OwnRecord = { uses: fileName(uses), code: found.code, params };
  return { definition, params, uses, record };
}
