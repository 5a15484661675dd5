import type { Facts, InputArtifact, OutputArtifact } from "../engine/contract/stage.ts";
import { dtypeOf, formOf, isBounded, type ValueForm, type Values } from "../science/diffusion/normalizer.ts";
import { FormatError } from "../science/formats/format_error.ts";
import { range } from "../science/metrics/vectors.ts";
import type { ImagesInfo } from "../schemas/types.ts";
import { latentFact, sizeText } from "./facts.ts";
import { imagesInfoSchema, INFO_FILE, type LabelNumbers, openImages, openImagesWriter } from "./image_files.ts";
import { classNamesOf } from "./labels.ts";
import { readJson } from "./record.ts";

/** Artifacts of types `images` and `samples` whose images are in memory. */

export type { ImagesInfo } from "../schemas/types.ts";

/** `readImages` does not read larger sets: they are for `openImages`. */
const MAX_BYTES = 2 ** 31;

/** 8-bit images read from an artifact. */
export interface StoredImages {
  /** The artifact's description of the images. */
  readonly info: ImagesInfo;
  /** [N, H, W, C] row-major. */
  readonly pixels: Uint8Array<ArrayBuffer>;
  /** [N, H, W, C]. */
  readonly shape: readonly [number, number, number, number];
  /** [N]; undefined without labels. */
  readonly labels: LabelNumbers | undefined;
}

/** Images to write as an artifact. */
export interface ImagesToWrite {
  /**
   * Description of the images. Defaults: `count`, the number of images in `pixels`; `classes`, the largest label plus
   * one, null without labels; `source`, which says where they come from, an empty object; `normalizer`, the whole range
   * of an integer type as [-1, 1].
   */
  readonly info:
    & Pick<ImagesInfo, "height" | "width" | "channels">
    & Partial<Pick<ImagesInfo, "count" | "classes" | "source"> & Pick<ValueForm, "normalizer" | "encoder">>;
  /** [N, H, W, C] row-major: bytes, 16-bit integers or finite float32 numbers. */
  readonly pixels: Values;
  /** [N], each in [0, classes). */
  readonly labels?: LabelNumbers | undefined;
  /** File name of the picture of the first 64. Default: images.png. */
  readonly picture?: string;
  /** Further formats to write the images in, for other programs. Floats have no PNG. */
  readonly files?: readonly ("png" | "npz")[];
}

/**
 * Write images as an artifact of type `images` or `samples`, with a picture of the first 64.
 *
 * @throws RangeError when the number of pixels or labels does not match the number of images
 */
export async function writeImages(output: OutputArtifact, images: ImagesToWrite): Promise<void> {
  const { pixels, labels, picture = "images.png", files = [] } = images;
  const { height, width, channels } = images.info;
  const size = height * width * channels;
  const { count = pixels.length / size } = images.info;
  const of = sizeText(images.info);
  if (pixels.length !== count * size || !Number.isInteger(count)) {
    const wanted = images.info.count === undefined
      ? `a multiple of ${size}, as images are ${of}`
      : `${count * size} for ${count} images of ${of}`;
    throw new RangeError(`Pixels of writeImages: got ${pixels.length} bytes, wanted ${wanted}`);
  }
  if ((labels?.length ?? count) !== count) {
    throw new RangeError(`Labels of writeImages: got ${labels!.length}, wanted ${count}, one for each image`);
  }
  const most = (labels: LabelNumbers) => (labels as Uint16Array).reduce((most, label) => Math.max(most, label), 0) + 1;
  const classes = labels === undefined ? null : most(labels);
  const described = { count, classes, source: {}, ...images.info, dtype: dtypeOf(pixels) };
  using writer = openImagesWriter(output, described, picture, files);
  await writer.add(pixels, labels);
  await writer.finish();
}

/**
 * Read the 8-bit images of an artifact of type `images` or `samples` into memory. `openImages` reads sets of other
 * types, and larger ones.
 *
 * @throws FormatError when the artifact's files are not those of an image set, or hold other numbers or more
 */
export async function readImages(artifact: InputArtifact): Promise<StoredImages> {
  using images = await openImages(artifact);
  const { info, shape, labels, size } = images;
  const bytes = info.count * size;
  const pixels = images.dtype === "uint8" && bytes <= MAX_BYTES ? images.rows(range(0, info.count)) : undefined;
  if (pixels instanceof Uint8Array) return { info, pixels, shape, labels };
  const fix = 'read them with openImages of "noiseline/data", which takes all types and sizes';
  throw new FormatError(INFO_FILE, { got: `${bytes} numbers of ${images.dtype}`, wanted: `uint8, at most 2 GiB`, fix });
}

/** Values that are checked together. */
const CHECKED_VALUES = 4 << 20;

/** Checks all values and labels of an artifact. @throws FormatError */
export async function validate(artifact: InputArtifact): Promise<void> {
  using images = await openImages(artifact);
  // Integers have no values to refuse.
  if (images.dtype !== "float32") return;
  const { size, info: { count: total } } = images;
  const chunk = Math.max(1, Math.floor(CHECKED_VALUES / size));
  for (let first = 0; first < total; first += chunk) {
    const count = Math.min(chunk, total - first);
    images.read(range(first, count), new Float32Array(count * size));
  }
}

export async function facts(artifact: InputArtifact): Promise<Facts> {
  const record = await readJson(artifact, INFO_FILE, imagesInfoSchema);
  const { source, normalizer: _, files: __, encoder, ...info } = record;
  const unbounded = isBounded(formOf(record).normalizer) ? {} : { unbounded: true };
  return { ...info, ...latentFact(encoder), ...unbounded, classNames: classNamesOf(source) };
}
