import { z } from "zod";

const word = z.union([z.string(), z.number()]).optional();
const labels = z.union([z.string(), z.array(z.union([z.string(), z.number()]))]);

const sampler = z.object({ name: word, steps: word, eta: word });
const model = z.object({ digest: z.string().optional(), step: z.number().optional(), weights: word });
const factsSchema = z.object({ name: word, split: word, seed: word, guidance: word, labels, sampler, model }).partial();

/** Where images come from, as far as pages and tables show it. */
export type SourceFacts = z.output<typeof factsSchema>;

/** The facts of a record, in which a stage may have written anything. @param odd gets what is left out, each with where */
export function factsOf(source: Readonly<Record<string, unknown>>, where: string, odd: string[]): SourceFacts {
  const places = factsSchema.safeParse(source).error?.issues.map(({ path }) => path) ?? [];
  odd.push(...places.map((path) => `${where}source.${path.join(".")} is left out: it is not what belongs there`));
  const left = Object.entries(source).filter(([name]) => places.every(([first]) => first !== name));
  return factsSchema.parse(Object.fromEntries(left));
}
