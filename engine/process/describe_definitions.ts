import { pathToFileURL } from "node:url";
import { z } from "zod";
import { paramsOutcomeSchema } from "../../schemas/param_issue.ts";
import { type Sort, SORTS } from "../../schemas/definitions.ts";
import type { Code } from "./code_digest.ts";
import { askChild, loadCode } from "./describe.ts";

/** A file with a definition of the user's own, and the params that a pipeline gives to it. */
export interface DefinitionRequest {
  /** Absolute path. */
  readonly file: string;
  readonly params: readonly unknown[];
}

const unfit = z.strictObject({ error: z.string(), fix: z.string() });

/** What the process that loads a definition says of some params of it: with facts where they fit. */
const fitSchema = z.union([
  z.strictObject({ outcome: paramsOutcomeSchema, facts: z.record(z.string(), z.unknown()) }),
  unfit,
]);

const answerSchema = z.union([z.strictObject({ sort: z.enum(SORTS), fits: z.array(fitSchema) }), unfit]);

export type Fit = z.output<typeof fitSchema>;

export type DefinitionOutcome =
  | { readonly code: Code; readonly sort: Sort; readonly fits: readonly Fit[] }
  | { readonly error: string; readonly fix: string };

async function describeOne({ file, params }: DefinitionRequest): Promise<DefinitionOutcome> {
  const code = await loadCode(file);
  if ("error" in code) return { fix: "correct its imports, or the deno.json above it", ...code };
  const asked = await askChild({
    entry: pathToFileURL(file).href,
    task: "describeDefinition",
    question: { params },
    map: code.map,
    answer: answerSchema,
  });
  if ("error" in asked) return { fix: "correct the file; it must load without side effects", ...asked };
  const { answer } = asked;
  if ("error" in answer) return answer;
  if (answer.fits.length !== params.length) {
    return { error: "it did not answer for some params", fix: "correct the file" };
  }
  return { code, ...answer };
}

/** Describe definitions, by file, each in a process that may do nothing. */
export async function describeDefinitions(
  requests: readonly DefinitionRequest[],
): Promise<ReadonlyMap<string, DefinitionOutcome>> {
  return new Map(await Promise.all(requests.map(async (one) => [one.file, await describeOne(one)] as const)));
}
