import { z } from "zod";
import { externalFile } from "../roles.ts";
import { positiveInt, threadsParam } from "./common.ts";

/** Params of kind `statistics`. */
export const statisticsParams = z.strictObject({
  path: externalFile(
    z.string().min(1).optional().describe("A file of mu and sigma, as pytorch-fid saves it, in place of features"),
  ),
  extractor: z.string().min(1).optional().describe("Of path: what made the features, such as inception-2015-12-05"),
  count: positiveInt(100_000_000).optional().describe("Of path: the number of images"),
  threads: threadsParam(),
});

export type StatisticsParams = z.output<typeof statisticsParams>;
