import { z } from "zod";

/** Params of kind `score`. */
export const scoreParams = z.strictObject({
  features: z.enum(["pixels"]).default("pixels").describe(
    "pixels: average-pooled pixel values. A sanity check, not FID: no learned network is involved",
  ),
});

export type ScoreParams = z.output<typeof scoreParams>;
