import { z } from "zod";

/** Params of kind `select`. */
export const selectParams = z.strictObject({
  metric: z.string().min(1).describe("Name of the metric to rank by, such as FD-classifier"),
  goal: z.enum(["lowest", "highest"]).default("lowest").describe("Which value is the best"),
});
