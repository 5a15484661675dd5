import { z } from "zod";
import { execution } from "../../schemas/roles.ts";
import { longRunningParams, positiveInt } from "../shared/common_params.ts";

/** Params of kind `classifier`. */
export const classifierParams = z.strictObject({
  base: positiveInt(512).default(32).describe("Channels of the first layer; features have four times as many"),
  steps: positiveInt(10_000_000).default(600).describe("Training steps"),
  batchSize: positiveInt(65_536).default(64).describe("Images per step"),
  learningRate: z.number().positive().max(1).default(1e-3).describe("Of Adam"),
  checkpointEvery: execution(
    positiveInt(10_000_000).optional().describe("Also save for resuming every so many steps; default: by time only"),
  ),
  ...longRunningParams(),
});
