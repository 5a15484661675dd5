import { z } from "zod";
import type { OwnDefinition } from "../engine/contract/stage.ts";
import type { Definitions } from "../science/diffusion/define.ts";
import { FormatError, refuse } from "../science/formats/format_error.ts";
import type { OwnRecord, Sort } from "../schemas/definitions.ts";

/**
 * Returns the project's definition that an artifact's record refers to.
 *
 * @throws FormatError if no definition has the digest, because the project no longer has the file or has another
 * version of it; or for params that the definition's schema cannot have produced
 */
export function definitionByDigest<S extends Sort>(
  sort: S,
  { uses, code, params }: OwnRecord,
  own: readonly OwnDefinition[],
): Definitions[S] {
  const here = own.filter((one) => one.sort === sort);
  const found = here.find((one) => one.code === code);
  if (found !== undefined) {
    const definition = found.definition as Definitions[S];
    checkGiven(`the params of ${uses}`, definition.params as unknown as z.ZodType, params);
    return definition;
  }
  throw new FormatError(`the ${sort} that it was made with, ${uses}`, {
    got: here.map((one) => `${one.uses} with digest ${one.code}`).join("; ") || `no ${sort} of the user's own`,
    wanted: `digest ${code}`,
    fix: `restore ${uses} as it was, or run the stages that use it again`,
  });
}

/**
 * Checks a record's params against a schema's output. Encodes them (the schema run backwards), since a transformed
 * value would not parse a second time.
 */
function checkGiven(name: string, schema: z.ZodType, params: unknown): void {
  try {
    const problem = z.safeEncode(schema, params).error?.issues[0];
    if (problem === undefined) return;
    refuse(name, `${problem.path.join(".") || "all of it"}: ${problem.message}`, "what its schema gives out");
  } catch (error) {
    // A schema that transforms with a function cannot be run backwards.
    if (!(error instanceof z.core.$ZodEncodeError)) throw error;
  }
}
