import { basename } from "node:path";
import type { OwnDefinition } from "../../contract/stage.ts";
import type { Definitions } from "../../diffusion/define.ts";
import type { OwnParam, OwnRecord, Sort } from "../../schemas/definitions.ts";

/** A definition that a param of a stage names. */
export interface NamedOwn<S extends Sort = Sort> {
  readonly definition: Definitions[S];
  readonly params: Readonly<Record<string, unknown>>;
  /** Its file, as the pipeline writes it. */
  readonly uses: string;
  /** How an artifact names it. */
  readonly record: OwnRecord;
}

/** The definition that a param of the stage names by its file. The engine has loaded it, or the stage would not run. */
export function ownNamed<S extends Sort>(
  sort: S,
  { uses, ...params }: OwnParam,
  definitions: readonly OwnDefinition[],
): NamedOwn<S> {
  const found = definitions.find((one) => one.sort === sort && one.uses === uses);
  if (found === undefined) throw new Error(`The ${sort} of ${uses} is not among the stage's definitions`);
  const definition = found.definition as Definitions[S];
  return { definition, params, uses, record: { uses: basename(uses), code: found.code, params } };
}
