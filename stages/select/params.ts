import { z } from "zod";
import { positiveInt } from "../shared/common_params.ts";

/** Params of kind `select`. */
export const selectParams = z.strictObject({
  metric: z.string().min(1).describe("Name of the figure that decides, such as FD-classifier"),
  goal: z.enum(["lowest", "highest"]).default("lowest").describe("Which value is the best"),
  keep: positiveInt(100).default(1).describe("How many are kept, as outputs best1, best2 and so on"),
});
