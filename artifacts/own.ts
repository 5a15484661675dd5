import { basename } from "node:path";
import type { OwnDefinition } from "../contract/stage.ts";
import type { Definitions } from "../diffusion/define.ts";
import { FormatError } from "../formats/format_error.ts";
import type { OwnRecord, Sort } from "../schemas/definitions.ts";

/**
 * The definition that an artifact was made with, found by its digest among those that the project gives the stage.
 *
 * @param where the file of the artifact
 * @throws FormatError where the project has it no longer, or another one in its place
 */
export function ownOf<S extends Sort>(
  where: string,
  { sort, record, definitions }: {
    readonly sort: S;
    readonly record: OwnRecord;
    readonly definitions: readonly OwnDefinition[];
  },
): Definitions[S] {
  const ofSort = definitions.filter((one) => one.sort === sort);
  const found = ofSort.find(({ code }) => code === record.code);
  if (found !== undefined) return found.definition as Definitions[S];
  const near = ofSort.find(({ uses }) => basename(uses) === record.uses);
  throw new FormatError(`${where}, made with the ${sort} of ${record.uses}`, {
    got: near === undefined ? "no such file in the project's stages" : `${near.uses} with digest ${near.code}`,
    wanted: `digest ${record.code}`,
    fix: near === undefined
      ? `keep the stage that made it in the pipeline, with ${record.uses} as it was then`
      : `restore ${near.uses} as it was then, or rerun the stage that made this`,
  });
}
