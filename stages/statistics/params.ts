import { z } from "zod";
import { execution, externalFile } from "../../schemas/roles.ts";
import { address, positiveInt, resizeParam, sha256, threadsParam } from "../shared/common_params.ts";

/** The largest file of mu and sigma: of 8,192 features, in float64. */
export const MAX_STATISTICS_BYTES = 2 ** 30;

/** Params of kind `statistics`. */
export const statisticsParams = z.strictObject({
  path: externalFile(
    z.string().min(1).optional().describe("Instead of features: a file with mu and sigma, as pytorch-fid saves it"),
  ),
  // In no key: what is fetched enters it by its digest.
  url: execution(address.optional().describe("Where to fetch that file, with its sha256")),
  sha256: execution(sha256.optional().describe("SHA-256 of the file")),
  extractor: z.string().min(1).optional().describe("The extractor behind that file, such as inception-2015-12-05"),
  resize: resizeParam().describe("How the images behind that file were resized. Files of TTUR: tensorflow"),
  count: positiveInt(100_000_000).optional().describe("The number of images behind that file"),
  threads: threadsParam(),
});
