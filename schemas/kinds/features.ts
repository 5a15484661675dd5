import { z } from "zod";
import { externalFile } from "../roles.ts";
import { deviceParam, positiveInt, threadsParam } from "./common.ts";

/** What an extractor graph wants its images to be. */
export const preprocessingParams = z.strictObject({
  size: positiveInt(4_096).describe("Height and width of the images that it takes"),
  kernel: z.enum(["bilinear", "bicubic"]).default("bilinear"),
  antialias: z.boolean().default(false).describe("Widen the kernel when shrinking, as Pillow does"),
  range: z.tuple([z.number(), z.number()]).default([-1, 1]).describe("What bytes 0 and 255 become"),
  mean: z.array(z.number()).min(1).max(4).optional().describe("Subtracted by channel after that"),
  deviation: z.array(z.number().positive()).min(1).max(4).optional().describe("Divided by, by channel, after that"),
  layout: z.enum(["nchw", "nhwc"]).default("nchw"),
});

/** Params of kind `features`. */
export const featuresParams = z.strictObject({
  extractor: z.enum(["classifier", "onnx", "pixels", "random-conv"]).default("classifier").describe(
    "classifier: of a classifier stage. onnx: any graph, such as Inception or DINOv2. pixels and random-conv are for tests",
  ),
  path: externalFile(z.string().min(1).optional().describe("Of extractor onnx: the graph. In the key by content")),
  url: z.string().regex(/^https?:\/\//, { error: () => "an http or https address" }).optional().describe(
    "Where to fetch the graph, with sha256",
  ),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, { error: () => "64 hexadecimal digits" }).optional(),
  preprocess: preprocessingParams.optional().describe("Of extractor onnx: what the graph wants"),
  output: z.string().min(1).optional().describe(
    "Of extractor onnx: the graph's output with the features; default: its first",
  ),
  logits: z.string().min(1).optional().describe("Of extractor onnx: its output with logits, for the inception score"),
  limit: positiveInt(100_000_000).optional().describe("Use only the first so many images"),
  batchSize: positiveInt(65_536).default(64),
  device: deviceParam(),
  threads: threadsParam(),
});

export type FeaturesParams = z.output<typeof featuresParams>;
export type Preprocessing = z.output<typeof preprocessingParams>;
