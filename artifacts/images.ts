import { z } from "zod";
import type { Facts, InputArtifact, OutputArtifact } from "../contract/stage.ts";
import { FormatError } from "../formats/format_error.ts";
import { imageGrid } from "../pictures/image_grid.ts";
import { encodeNpz } from "../formats/npz.ts";
import { encodePng } from "../formats/png_encoder.ts";
import { decodeSafetensors, dtypeOf, encodeSafetensors } from "../formats/safetensors.ts";
import type { ImagesInfo } from "../schemas/types.ts";
import { definedOnly } from "../std/defined_only.ts";
import { type ImageSize, sizeText } from "./facts.ts";
import { classNamesOf } from "./labels.ts";
import { readBytes, readJson, writeJson } from "./record.ts";

/**
 * Artifacts of types `images` and `samples`: `images.safetensors`, `images.json` and a picture of the first few images.
 */
const TENSORS_FILE = "images.safetensors";
const INFO_FILE = "images.json";

/** Number of images that a set's picture shows. */
export const PICTURED = 64;

export type { ImagesInfo } from "../schemas/types.ts";

const size = z.int().min(1);

export const imagesInfoSchema = z.strictObject({
  count: size,
  height: size,
  width: size,
  channels: size,
  /** Labels are in [0, classes); null without labels. */
  classes: size.nullable(),
  /** Origin of the images, in readable form. */
  source: z.record(z.string(), z.unknown()),
});

/** Images read from an artifact. */
export interface StoredImages {
  /** The artifact's description of the images. */
  readonly info: ImagesInfo;
  /** [N, H, W, C] row-major. */
  readonly pixels: Uint8Array<ArrayBuffer>;
  /** [N, H, W, C]. */
  readonly shape: readonly [number, number, number, number];
  /** [N]; undefined without labels. */
  readonly labels: Uint8Array<ArrayBuffer> | undefined;
}

/** Images to write as an artifact. */
export interface ImagesToWrite {
  /**
   * Description of the images. Defaults: `count`, the number of images in `pixels`; `classes`, the largest label plus
   * one, null without labels; `source`, which says where they come from, an empty object.
   */
  readonly info: Pick<ImagesInfo, "height" | "width" | "channels"> & Partial<ImagesInfo>;
  /** [N, H, W, C] row-major. */
  readonly pixels: Uint8Array<ArrayBuffer>;
  /** [N], each in [0, classes). */
  readonly labels?: Uint8Array<ArrayBuffer> | undefined;
  /** File name of the picture of the first 64. Default: images.png. */
  readonly picture?: string;
  /** Further formats to write the images in, for other programs. */
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
  const classes = labels === undefined ? null : labels.reduce((most, label) => Math.max(most, label), 0) + 1;
  const info: ImagesInfo = { count, classes, source: {}, ...images.info };
  const ofImages = { shape: [count, height, width, channels], data: pixels };
  const ofLabels = labels && { shape: [count], data: labels };
  const tensors = definedOnly({ images: ofImages, labels: ofLabels });
  await output.write(TENSORS_FILE, encodeSafetensors({ tensors }));
  await writeJson(output, INFO_FILE, info, imagesInfoSchema);
  // Order and names are those that openai/guided-diffusion's evaluator takes.
  const arrays = definedOnly({ arr_0: ofImages, arr_1: ofLabels });
  if (files.includes("npz")) await output.write("samples.npz", encodeNpz(arrays));
  const all = Array.from({ length: count }, (_, i) => imageAt(pixels, i, info));
  for (const [i, data] of files.includes("png") && canBePng(channels) ? all.entries() : []) {
    await output.write(`images/${String(i).padStart(6, "0")}.png`, encodePng({ height, width, channels, data }));
  }
  await writePicture(output, picture, all.slice(0, PICTURED), info);
}

/** True for grey and RGB. A PNG would show 2 or 4 channels as having alpha, and cannot have more than 4. */
function canBePng(channels: number): boolean {
  return channels === 1 || channels === 3;
}

/**
 * Writes one picture of several images, row by row; writes nothing if no PNG can hold them.
 * @param images bytes [H, W, C] each
 */
export async function writePicture(
  output: OutputArtifact,
  name: string,
  images: readonly Uint8Array[],
  size: ImageSize & { readonly columns?: number },
): Promise<void> {
  const png = gridPng(images, size);
  if (png !== undefined) await output.write(name, png);
}

/**
 * Returns several images as one PNG, row by row; undefined if no PNG can hold them.
 * @param images bytes [H, W, C] each
 */
export function gridPng(images: readonly Uint8Array[], size: ImageSize & { readonly columns?: number }) {
  return canBePng(size.channels) ? encodePng(imageGrid(images, size)) : undefined;
}

/** Returns image `i` of bytes [N, H, W, C]. */
export function imageAt(pixels: Uint8Array<ArrayBuffer>, i: number, { height, width, channels }: ImageSize) {
  const size = height * width * channels;
  return pixels.subarray(i * size, (i + 1) * size);
}

/**
 * Read the images of an artifact of type `images` or `samples`.
 *
 * @throws FormatError when the artifact's files are not those of `writeImages`
 */
export async function readImages(artifact: InputArtifact): Promise<StoredImages> {
  const info = await readJson(artifact, INFO_FILE, imagesInfoSchema);
  const { count, height, width, channels, classes } = info;
  const { tensors } = decodeSafetensors(await readBytes(artifact, TENSORS_FILE));
  const bytes = (name: string, wanted: readonly number[]) => {
    const { shape, data } = tensors[name] ?? {};
    if (data instanceof Uint8Array && shape?.join() === wanted.join()) return data as Uint8Array<ArrayBuffer>;
    const got = data === undefined ? "none" : `${dtypeOf(data)} [${shape}]`;
    throw new FormatError(`${TENSORS_FILE}, tensor ${name}`, { got, wanted: `U8 [${wanted}]` });
  };
  const shape = [count, height, width, channels] as const;
  const pixels = bytes("images", shape);
  const labelled = classes !== null || tensors["labels"] !== undefined;
  const labels = labelled ? bytes("labels", [count]) : undefined;
  if (labels !== undefined) checkLabels(TENSORS_FILE, labels, classes);
  return { info, pixels, shape, labels };
}

export { readImages as validate };

export async function facts(artifact: InputArtifact): Promise<Facts> {
  const { source, ...info } = await readJson(artifact, INFO_FILE, imagesInfoSchema);
  return { ...info, classNames: classNamesOf(source) };
}

/** @throws FormatError for a label that the data set does not have */
export function checkLabels(file: string, labels: Uint8Array, classes: number | null): void {
  const image = labels.findIndex((label) => label >= (classes ?? 0));
  if (image < 0) return;
  const wanted = classes === null ? "none, as classes is null" : `0 to ${classes - 1}`;
  throw new FormatError(`${file}, label of image ${image}`, { got: `${labels[image]}`, wanted });
}
