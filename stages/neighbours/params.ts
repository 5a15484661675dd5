import { z } from "zod";
import { positiveInt } from "../shared/common_params.ts";

/** Params of kind `neighbours`. */
export const neighboursParams = z.strictObject({
  count: positiveInt(100_000).default(256).describe("Number of samples, and of held-out images, from the first on"),
  nearest: positiveInt(32).default(5).describe("Training images to show beside each sample"),
});
