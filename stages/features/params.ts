import { z } from "zod";
import { execution, externalFile, legacy } from "../../schemas/roles.ts";
import { address, deviceParam, positiveInt, resizeParam, sha256, threadsParam } from "../shared/common_params.ts";

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
  extractor: z.enum(["classifier", "inception-2015-12-05", "onnx", "pixels"]).default("classifier")
    .describe(
      "classifier: of a classifier stage. inception-2015-12-05: the network of FID, KID and Inception Score, whose weights " +
        "are fetched. onnx: any graph, such as DINOv2. pixels: a sanity check",
    ),
  path: externalFile(
    z.string().min(1).optional().describe(
      "Of onnx: the graph. Of inception-2015-12-05: pt_inception-2015-12-05-6726825d.pth, where it is not to be fetched. " +
        "In the key by content",
    ),
  ),
  // In no key: what is fetched enters it by its digest.
  url: execution(
    address.optional().describe("Where to fetch it: a graph with its sha256; default of the weights: their homes"),
  ),
  sha256: sha256.optional().describe("What it must be. Inception with other weights than the published is no FID"),
  // Not known to older versions, which had no extractor that takes it.
  resize: legacy(resizeParam(), "tensorflow").describe(
    "Of inception-2015-12-05: how images come to 299x299. tensorflow, the default: TTUR, torch-fidelity, EDM",
  ),
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
