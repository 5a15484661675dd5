import type { PublishedFile } from "../published.ts";

export const IDX_SOURCES = ["mnist", "fashion-mnist"] as const;

export type IdxSource = (typeof IDX_SOURCES)[number];

export const IDX_SIDE = 28;
export const IDX_CLASSES = 10;
export const IDX_COUNTS = { train: 60_000, test: 10_000 } as const;

/** Both sets use the same four names. */
export const IDX_NAMES = {
  train: { images: "train-images-idx3-ubyte", labels: "train-labels-idx1-ubyte" },
  test: { images: "t10k-images-idx3-ubyte", labels: "t10k-labels-idx1-ubyte" },
} as const;

export interface IdxSet {
  readonly files: readonly PublishedFile[];
  /** Folders that hold the files. */
  readonly homes: readonly string[];
  /** Where a package of the operating system puts the files. */
  readonly installed?: string;
}

/** By digest and size, in the order of their names. */
function publishedFiles(...files: readonly (readonly [sha256: string, bytes: number])[]): PublishedFile[] {
  const names = Object.values(IDX_NAMES).flatMap(({ images, labels }) => [images, labels]);
  return files.map(([sha256, bytes], index) => ({ name: `${names[index]}.gz`, sha256, bytes }));
}

export const IDX_SETS: Readonly<Record<IdxSource, IdxSet>> = {
  // LeCun, Cortes and Burges: http://yann.lecun.com/exdb/mnist/, which no longer gives the files out.
  mnist: {
    files: publishedFiles(
      ["440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422],
      ["3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881],
      ["8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877],
      ["f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542],
    ),
    homes: [
      "https://storage.googleapis.com/cvdf-datasets/mnist/",
      "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ],
  },
  // Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747.
  "fashion-mnist": {
    files: publishedFiles(
      ["3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26_421_880],
      ["a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29_515],
      ["346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4_422_102],
      ["67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5_148],
    ),
    homes: [
      "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
      "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ],
    // Debian's package dataset-fashion-mnist: the same images, compressed anew, so the files' digests are others.
    installed: "/usr/share/datasets/fashion-mnist",
  },
};

export function isIdxSource(source: string): source is IdxSource {
  return (IDX_SOURCES as readonly string[]).includes(source);
}
