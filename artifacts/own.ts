import type { OwnDefinition } from "../contract/stage.ts";
import type { Definitions } from "../diffusion/define.ts";
import { FormatError } from "../formats/format_error.ts";
import type { OwnRecord, Sort } from "../schemas/definitions.ts";

/**
 * The definition that an artifact names, out of those of the project.
 *
 * @throws FormatError where none of them has the digest: the project no longer has it, or has it in another version
 */
export function definitionOf<S extends Sort>(
  sort: S,
  { uses, code }: Pick<OwnRecord, "uses" | "code">,
  own: readonly OwnDefinition[],
): Definitions[S] {
  const here = own.filter((one) => one.sort === sort);
  const found = here.find((one) => one.code === code);
  if (found !== undefined) return found.definition as Definitions[S];
  throw new FormatError(`the ${sort} that it was made with, ${uses}`, {
    got: here.map((one) => `${one.uses} with digest ${one.code}`).join("; ") || `no ${sort} of the user's own`,
    wanted: `digest ${code}`,
    fix: `take ${uses} back to what it was, or make what uses it anew`,
  });
}
