import { z } from "zod";

const word = z.union([z.string(), z.number()]).optional();

const factsSchema = z.object({
  name: word,
  split: word,
  seed: word,
  guidance: word,
  sampler: z.object({ name: word, steps: word, eta: word }).optional(),
  model: z.object({ step: z.number().optional(), weights: word }).optional(),
});

/** Where images come from, as far as pages and tables show it. */
export type SourceFacts = z.output<typeof factsSchema>;

/** The facts of a record, in which a stage may have written anything. @param odd told of each that is left out */
export function factsOf(source: Readonly<Record<string, unknown>>, odd: (place: string) => void): SourceFacts {
  const places = factsSchema.safeParse(source).error?.issues.map(({ path }) => path) ?? [];
  places.forEach((path) => odd(["source", ...path].join(".")));
  const left = Object.entries(source).filter(([name]) => places.every(([first]) => first !== name));
  return factsSchema.parse(Object.fromEntries(left));
}
