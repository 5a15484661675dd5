import { z } from "zod";
import { deviceParam, positiveInt, threadsParam, weightsParam } from "./common.ts";

/** Params of kind `evaluate`. */
export const evaluateParams = z.strictObject({
  weights: weightsParam(),
  buckets: positiveInt(1_000).default(10).describe("Equal ranges of t that the loss is reported for"),
  batchSize: positiveInt(65_536).default(100),
  limit: positiveInt(100_000_000).optional().describe("Use only the first so many images"),
  device: deviceParam(),
  threads: threadsParam(),
});

export type EvaluateParams = z.output<typeof evaluateParams>;
