import { z } from "zod";

/** Params of kind `report`. */
export const reportParams = z.strictObject({
  title: z.string().min(1).max(200).default("Report").describe(
    "Heading of the page; a stage may not know its pipeline's name",
  ),
});

export type ReportParams = z.output<typeof reportParams>;
