import { z } from "zod";
import { positiveInt } from "../shared/common_params.ts";

/** Params of kind `neighbours`. */
export const neighboursParams = z.strictObject({
  count: positiveInt(100_000).default(256).describe("The first so many samples, and as many held-out images"),
  nearest: positiveInt(32).default(5).describe("Training images that the picture shows beside each sample"),
});

export type NeighboursParams = z.output<typeof neighboursParams>;
