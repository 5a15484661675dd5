import { z } from "zod";

export const SELECTION_FILE = "selection.json";

/** `selection.json`: candidates by their place in the list, the best first. */
export const selectionSchema = z.strictObject({
  format: z.literal(1),
  metric: z.string(),
  goal: z.enum(["lowest", "highest"]),
  ranking: z.array(z.strictObject({ candidate: z.int().min(0), value: z.number() })).min(1),
});

export type Selection = z.output<typeof selectionSchema>;
