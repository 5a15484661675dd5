import { z } from "zod";
import { execution, externalFile, legacy } from "../../schemas/roles.ts";
import { address, deviceParam, positiveInt, resizeParam, sha256, threadsParam } from "../shared/common_params.ts";

/** What an extractor graph wants its images to be. */
const preprocessingParams = z.strictObject({
  size: positiveInt(4_096).describe("Height and width of the input images"),
  kernel: z.enum(["bilinear", "bicubic"]).default("bilinear").describe("Kernel that resizes the images"),
  antialias: z.boolean().default(false).describe("Widen the kernel when downscaling, as Pillow does"),
  range: z.tuple([z.number(), z.number()]).default([-1, 1]).describe("The values that bytes 0 and 255 become"),
  mean: z.array(z.number()).min(1).max(4).optional().describe("Mean to subtract from each channel"),
  deviation: z.array(z.number().positive()).min(1).max(4).optional().describe("Divisor of each channel after that"),
  layout: z.enum(["nchw", "nhwc"]).default("nchw").describe("Order of the input's dimensions"),
});

/** Params of kind `features`. */
export const featuresParams = z.strictObject({
  extractor: z.enum(["classifier", "inception-2015-12-05", "onnx", "pixels"]).default("classifier")
    .describe(
      "classifier: the network of a classifier stage. inception-2015-12-05: the network of FID, KID and " +
        "Inception Score; its weights are fetched. onnx: any graph, such as DINOv2. pixels: a sanity check",
    ),
  path: externalFile(
    z.string().min(1).optional().describe(
      "onnx: the graph. inception-2015-12-05: pt_inception-2015-12-05-6726825d.pth, where it cannot be fetched. Its " +
        "content is in the key",
    ),
  ),
  // In no key: what is fetched enters it by its digest.
  url: execution(
    address.optional().describe("URL of the graph, or of the weights; default: where the weights are published"),
  ),
  sha256: sha256.optional().describe("SHA-256 of the file. With other than the published weights, FID is called FD"),
  // Not known to older versions, which had no extractor that takes it.
  resize: legacy(resizeParam(), "tensorflow").describe(
    "inception-2015-12-05: how images are resized to 299x299. tensorflow, the default: as TTUR, torch-fidelity and EDM",
  ),
  preprocess: preprocessingParams.optional().describe("onnx: the input that the graph expects"),
  output: z.string().min(1).optional().describe("onnx: the output with the features; default: the first"),
  logits: z.string().min(1).optional().describe("onnx: the output with logits, for the Inception Score"),
  limit: positiveInt(100_000_000).optional().describe("Use only this many images, from the first on"),
  batchSize: positiveInt(65_536).default(64).describe("Images per evaluation of the network"),
  device: deviceParam(),
  threads: threadsParam(),
});

export type FeaturesParams = z.output<typeof featuresParams>;
export type Preprocessing = z.output<typeof preprocessingParams>;
