import type { KnownDownload } from "../../std/download.ts";
import { z } from "zod";
import { type ImageFacts, readImageFacts } from "../../artifacts/facts.ts";
import { type CheckProblem, defineKind } from "../../engine/contract/stage.ts";
import { execution, externalFile, legacy } from "../../schemas/roles.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { checkBytes, checkSameSize, problemsOf } from "../shared/checks.ts";
import { address, deviceParam, positiveInt, resizeParam, sha256, threadsParam } from "../shared/common_params.ts";
import { findStageDevice } from "../shared/device.ts";
import { INCEPTION, INCEPTION_GFLOP, INCEPTION_WEIGHTS, inceptionName } from "../shared/inception.ts";
import { checkNamedFile, namedDownloads } from "../shared/named_file.ts";

/** The input images that an extractor graph expects. */
const preprocessingParams = z.strictObject({
  size: positiveInt(4_096).describe("Height and width of the input images"),
  kernel: z.enum(["bilinear", "bicubic"]).default("bilinear").describe("Kernel that resizes the images"),
  antialias: z.boolean().default(false).describe("Widen the kernel when downscaling, as Pillow does"),
  range: z.tuple([z.number(), z.number()]).default([-1, 1]).describe("The values that bytes 0 and 255 become"),
  mean: z.array(z.number()).min(1).max(4).optional().describe("Mean to subtract from each channel; one number for all"),
  deviation: z.array(z.number().positive()).min(1).max(4).optional().describe(
    "Divisor of each channel after that; one number for all",
  ),
  layout: z.enum(["nchw", "nhwc"]).default("nchw").describe("Order of the input's dimensions"),
});

const featuresParams = z.strictObject({
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
  // Not in the key: a downloaded file enters the key by its digest.
  url: execution(
    address.optional().describe("URL of the graph, or of the weights; default: where the weights are published"),
  ),
  sha256: sha256.optional().describe("SHA-256 of the file. With other than the published weights, FID is called FD"),
  // Unknown to older versions, which had no extractor with this param.
  resize: legacy(resizeParam(), "tensorflow").describe(
    "inception-2015-12-05: how images are resized to 299x299. tensorflow, the default: as TTUR, torch-fidelity and EDM; " +
      "pytorch-fid and clean-fid: as these programs",
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

export const featuresKind = defineKind({
  kind: "features",
  version: 6,
  // Pixels are recorded with the normaliser that made them. One mean or deviation is that of every channel.
  revision: ({ extractor, preprocess }) =>
    extractor === "pixels" || preprocess?.mean?.length === 1 || preprocess?.deviation?.length === 1 ? 1 : undefined,
  entry: import.meta.resolve("./run.ts"),
  shards: true,
  summary: "Extract a feature vector from each image, for FID and other scores",
  params: featuresParams,
  inputs: {
    images: { type: "images", description: "Images to map" },
    classifier: { type: "classifier", description: "The network, for extractor classifier", optional: true },
  },
  outputs: {
    features: { type: "features", description: "One feature vector per image" },
  },
  permissions: { native: ["onnxruntime-node"] },
  // ONNX Runtime runs a graph on the CPU, on whichever device the rest runs.
  device: (params, tryDevice) =>
    findStageDevice(params.extractor === "onnx" ? { ...params, device: "onnx" } : params, tryDevice),
  downloads: extractorDownloads,
  check(params, inputs) {
    const images = readImageFacts(inputs.images);
    // The number of images in a folder may be known without their size.
    const known = inputs.images?.["count"];
    const count = typeof known === "number" ? Math.min(known, params.limit ?? known) : undefined;
    const overInception = params.extractor === INCEPTION;
    const extractor = overInception ? inceptionName(params.sha256) : params.extractor;
    return {
      problems: problemsOf(
        checkMisplaced(params),
        params.extractor === "onnx" && checkGraph(params, images),
        overInception && checkInception(params, images),
        (overInception || params.extractor === "onnx") &&
          checkBytes("images", images, "the network of this extractor was trained on bytes"),
        params.extractor === "classifier" && checkSameSize("images", images, {
          name: "those of the classifier",
          size: readImageFacts(inputs.classifier),
        }),
      ),
      facts: {
        features: definedOnly({
          // The name of a graph is known only once it runs.
          extractor: extractor === "onnx" ? undefined : extractor,
          pictures: extractor === "pixels" ? images : undefined,
          resize: overInception ? params.resize ?? "tensorflow" : undefined,
          count,
        }),
      },
      ...(overInception && count !== undefined ? { workGflop: count * INCEPTION_GFLOP } : {}),
    };
  },
});

/** The params that only some extractors have. */
const PARAMS: Partial<Record<FeaturesParams["extractor"], readonly (keyof FeaturesParams)[]>> = {
  onnx: ["path", "url", "sha256", "preprocess", "output", "logits"],
  [INCEPTION]: ["path", "url", "sha256", "resize"],
};

function checkMisplaced(params: FeaturesParams): CheckProblem[] {
  const { extractor } = params;
  const own = PARAMS[extractor] ?? [];
  return [...new Set(Object.values(PARAMS).flat())]
    .filter((name) => params[name] !== undefined && !own.includes(name))
    .map((name) => ({
      param: [name],
      message: `${name} does not go with extractor ${extractor}`,
      fix: `remove ${name}`,
    }));
}

/** Number of channels of a graph's input. Grey images are taken as three equal channels. */
export const channelsFor = (channels: number) => channels === 1 ? 3 : channels;

function checkGraph(params: FeaturesParams, images: ImageFacts | undefined): CheckProblem[] {
  const channels = images?.channels;
  const wide = channels && channelsFor(channels);
  return problemsOf(
    params.path === undefined && params.url === undefined && {
      param: ["extractor"],
      message: "extractor onnx needs a graph",
      wanted: "path, or url with sha256",
      fix: "add path: ./extractor.onnx; docs/metrics.md says how to make one",
    },
    params.preprocess === undefined && {
      param: ["extractor"],
      message: "a graph does not say which images it expects",
      wanted: "preprocess",
      fix: "add preprocess: { size: 299 }; see docs/metrics.md",
    },
    channels === 2 && {
      input: "images",
      message: "a graph takes pictures in grey, or in three channels and more",
      got: "2 channels",
      wanted: "1, 3 or 4",
      fix: "make the data set with channels: 1 or 3",
    },
    wide !== undefined && (["mean", "deviation"] as const).flatMap((name): CheckProblem[] => {
      const given = params.preprocess?.[name]?.length ?? 1;
      const wanted = `1 number, or ${wide}, one for each channel`;
      const message = "each channel needs a number, or all the same";
      const problem = { param: ["preprocess", name], message, got: `${given} numbers`, wanted, fix: `give ${wanted}` };
      return given === 1 || given === wide ? [] : [problem];
    }),
    checkNamedFile(params),
  );
}

function checkInception(params: FeaturesParams, images: ImageFacts | undefined): CheckProblem[] {
  const { path, url, sha256 } = params;
  return problemsOf(
    checkNamedFile({ ...params, sha256: sha256 ?? INCEPTION_WEIGHTS.sha256 }),
    path === undefined && url === undefined && inceptionName(sha256) !== INCEPTION && {
      param: ["sha256"],
      message: "only the published weights have a default address",
      fix: "add path or url, or remove sha256",
    },
    ![1, 3].includes(images?.channels ?? 1) && {
      input: "images",
      message: "the network takes pictures in grey or RGB",
      got: `${images?.channels} channels`,
      wanted: "1 or 3",
    },
  );
}

/** A graph is one protobuf message, which cannot be larger. */
export const MAX_FILE_BYTES = 2 ** 31;

/** Returns the weights or the graph that a stage downloads, or that must be at its path. */
export function extractorDownloads(params: FeaturesParams): KnownDownload[] {
  const { extractor, path, url, sha256 } = params;
  if (extractor === "onnx") return namedDownloads(params, MAX_FILE_BYTES);
  if (extractor !== INCEPTION) return [];
  if (sha256 !== undefined && sha256 !== INCEPTION_WEIGHTS.sha256) return namedDownloads(params, MAX_FILE_BYTES);
  const { bytes: maxBytes, urls: published, ...weights } = INCEPTION_WEIGHTS;
  return [{
    name: "path",
    ...weights,
    maxBytes,
    urls: path === undefined ? url === undefined ? published : [url] : [],
  }];
}
