import { z } from "zod";

/** Artifact of type `selection`: candidates by their index in the list, best first. */
export const SELECTION_FILE = "selection.json";

export const selectionSchema = z.strictObject({
  format: z.literal(1),
  metric: z.string(),
  goal: z.enum(["lowest", "highest"]),
  /** A candidate without a number as value has lost: its training or its score was not finite. */
  ranking: z.array(z.strictObject({ candidate: z.int().min(0), value: z.number().nullable() })).min(1),
});

export type Selection = z.output<typeof selectionSchema>;
