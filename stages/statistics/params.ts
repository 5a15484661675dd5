import { z } from "zod";
import { execution, externalFile } from "../../schemas/roles.ts";
import { address, positiveInt, resizeParam, sha256, threadsParam } from "../shared/common_params.ts";

/** Params of kind `statistics`. */
export const statisticsParams = z.strictObject({
  path: externalFile(
    z.string().min(1).optional().describe("A file of mu and sigma, as pytorch-fid saves it, in place of features"),
  ),
  // In no key: what is fetched enters it by its digest.
  url: execution(address.optional().describe("Where to fetch such a file, with its sha256")),
  sha256: execution(sha256.optional().describe("What the file must be")),
  extractor: z.string().min(1).optional().describe(
    "Of such a file: what made the features, such as inception-2015-12-05",
  ),
  resize: resizeParam().describe(
    "Of such a file over inception-2015-12-05: how the images were resized. fid_stats_*.npz of TTUR: tensorflow",
  ),
  count: positiveInt(100_000_000).optional().describe("Of such a file: the number of images"),
  threads: threadsParam(),
});
