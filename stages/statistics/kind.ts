import { z } from "zod";
import { defineKind, type Facts } from "../../engine/contract/stage.ts";
import { execution, externalFile } from "../../schemas/roles.ts";
import { problemsOf } from "../shared/checks.ts";
import { address, positiveInt, resizeParam, sha256, threadsParam } from "../shared/common_params.ts";
import { findStageDevice } from "../shared/device.ts";
import { isInceptionArchitecture } from "../shared/inception.ts";
import { checkNamedFile, namedDownloads } from "../shared/named_file.ts";

/** Maximum size of a file with mu and sigma: 8,192 features, in float64. */
export const MAX_STATISTICS_BYTES = 2 ** 30;

const statisticsParams = z.strictObject({
  path: externalFile(
    z.string().min(1).optional().describe("Instead of features: a file with mu and sigma, as pytorch-fid saves it"),
  ),
  // Not in the key: a downloaded file enters the key by its digest.
  url: execution(address.optional().describe("Where to fetch that file, with its sha256")),
  sha256: execution(sha256.optional().describe("SHA-256 of the file")),
  extractor: z.string().min(1).optional().describe("The extractor behind that file, such as inception-2015-12-05"),
  resize: resizeParam().describe("How the images behind that file were resized. Files of TTUR: tensorflow"),
  count: positiveInt(100_000_000).optional().describe("The number of images behind that file"),
  threads: threadsParam(),
});

export const statisticsKind = defineKind({
  kind: "statistics",
  version: 1,
  entry: import.meta.resolve("./run.ts"),
  summary: "Mean and covariance of features, in the format of pytorch-fid",
  params: statisticsParams,
  inputs: {
    features: { type: "features", description: "Features to summarise", optional: true },
  },
  outputs: {
    statistics: { type: "statistics", description: "mu and sigma, float64" },
  },
  permissions: { native: ["onnxruntime-node"] },
  device: ({ threads }, tryDevice) => findStageDevice({ device: "onnx", threads }, tryDevice),
  downloads: (params) => namedDownloads(params, MAX_STATISTICS_BYTES),
  check(params, inputs) {
    const { path, url } = params;
    const isFile = path !== undefined || url !== undefined;
    const { extractor, resize, count, pictures }: Facts = isFile ? params : inputs.features ?? {};
    return {
      problems: problemsOf(
        checkNamedFile(params),
        isFile && (extractor === undefined || count === undefined) && {
          param: [path === undefined ? "url" : "path"],
          message: "a file of mu and sigma does not name its extractor or number of images",
          wanted: "extractor and count",
          fix: "add extractor and count, such as extractor: inception-2015-12-05, count: 50000",
        },
        isFile && isInceptionArchitecture(extractor) && resize === undefined && {
          param: ["extractor"],
          message: "a file of mu and sigma does not say how its images were resized",
          wanted: "resize",
          fix: "add resize: tensorflow for a file of TTUR, torch-fidelity or EDM, else pytorch-fid or clean-fid",
        },
      ),
      facts: { statistics: { extractor, resize, count, pictures, vectors: false, logits: false, labels: false } },
    };
  },
});
