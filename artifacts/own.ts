import type { OwnDefinition } from "../contract/stage.ts";
import type { Definitions } from "../diffusion/define.ts";
import { FormatError } from "../formats/format_error.ts";
import type { OwnRecord, Sort } from "../schemas/definitions.ts";

/** An artifact was made with a definition that the project no longer has, or has in another version. */
export class MissingDefinition extends FormatError {
  constructor(sort: Sort, { uses, code }: Pick<OwnRecord, "uses" | "code">, here: readonly OwnDefinition[]) {
    const got = here.map((one) => `${one.uses} with digest ${one.code}`).join("; ");
    super(`the ${sort} that it was made with, ${uses}`, {
      got: got === "" ? `no ${sort} of the user's own` : got,
      wanted: `digest ${code}`,
      fix: `take ${uses} back to what it was, or make what uses it anew`,
    });
  }
}

/**
 * The definition that an artifact names, out of those of the project.
 *
 * @throws MissingDefinition where none of them has the digest
 */
export function definitionOf<S extends Sort>(
  sort: S,
  record: Pick<OwnRecord, "uses" | "code">,
  own: readonly OwnDefinition[],
): Definitions[S] {
  const here = own.filter((one) => one.sort === sort);
  const found = here.find(({ code }) => code === record.code);
  if (found === undefined) throw new MissingDefinition(sort, record, here);
  return found.definition as Definitions[S];
}
