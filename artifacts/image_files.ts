import { join } from "node:path";
import { z } from "zod";
import type { InputArtifact, OutputArtifact, SavedState } from "../engine/contract/stage.ts";
import {
  dtypeOf,
  formOf,
  formRecord,
  joinValues,
  normalize,
  recordOf,
  VALUE_TYPES,
  type ValueForm,
  type Values,
} from "../science/diffusion/normalizer.ts";
import { FormatError, refuse } from "../science/formats/format_error.ts";
import {
  decodeSafetensorsHeader,
  encodeSafetensorsHeader,
  type SafetensorsDType,
} from "../science/formats/safetensors.ts";
import { firstNotFinite, range, takeRows } from "../science/metrics/vectors.ts";
import type { ImagesInfo } from "../schemas/types.ts";
import { definedOnly } from "../std/defined_only.ts";
import type { ImageSize } from "./facts.ts";
import { writeCopies } from "./image_copies.ts";
import { gridPng, picturedCount } from "./pictures.ts";
import { fileOf, readJson, writeJson } from "./record.ts";
import { bytesOf, readAt, readRows, writeAll } from "./rows.ts";

/**
 * Files of an artifact of type `images` or `samples`: `images.json`, and the images in one file,
 * `images.safetensors`, or in several, `images-00000.safetensors` and so on. Each has the tensors `images`, [n, H,
 * W, C], and, if the images have labels, `labels`, [n].
 */
export const INFO_FILE = "images.json";
const TENSORS_FILE = "images.safetensors";

/** A set with more bytes than this has several files. CIFAR-10, with 154 MB, has one. */
const FILE_BYTES = 256 << 20;
/** A set of at most this many bytes is kept in memory while it is open. */
const MEMORY_BYTES = 64 << 20;
/** Two tensors need less than 300 bytes of header. */
const MAX_HEADER_BYTES = 64 << 10;
/** Number of labels that a byte can tell apart. */
const BYTE_LABELS = 256;
const MOST_CLASSES = 65_535;

const size = z.int().min(1);

export const imagesInfoSchema = z.strictObject({
  count: size,
  height: size,
  width: size,
  channels: size,
  /** Labels are in [0, classes); null without labels. */
  classes: size.max(MOST_CLASSES).nullable(),
  /** Type of the stored numbers, and the map to the network's numbers. */
  ...formRecord,
  /** True for latents that have a Gaussian each: the tensor `images` is [n, H, W, 2 C], means and then deviations. */
  posterior: z.literal(true).exactOptional(),
  /** Number of images in each file; absent if there is only one. */
  files: z.array(size).min(2).max(99_999).readonly().exactOptional(),
  /** Origin of the images, in readable form. */
  source: z.record(z.string(), z.unknown()),
}).refine(({ channels, normalizer: { scale, shift } = formOf({}).normalizer }) => {
  return [1, channels].includes(scale.length) && scale.length === shift.length;
}, "a normalizer with one scale and shift, or one for each channel");

/** The number of the class of each image, [N]. */
export type LabelNumbers = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

/** An open set of images. */
export interface ImageReader extends ValueForm, Disposable {
  /** The artifact's description of the images. */
  readonly info: ImagesInfo;
  /** [N, H, W, C]. */
  readonly shape: readonly [number, number, number, number];
  /** Number of values of one image. */
  readonly size: number;
  /** [N]; undefined without labels. */
  readonly labels: LabelNumbers | undefined;
  /** Reads the stored values of images, or means of latents, [n, H, W, C], in the order of their indices. */
  rows(indices: ArrayLike<number>): Values;
  /**
   * Reads images as networks see them.
   *
   * @param out float32 [n, H, W, C], filled @param as the form of other images, whose map is used in place of the set's
   * @param noise N(0, 1), [n, H, W, C], by which latents are drawn from their Gaussians. Default: their means
   * @throws FormatError for latents of another encoder than those of `as`
   */
  read(indices: ArrayLike<number>, out: Float32Array, as?: Omit<ValueForm, "dtype">, noise?: Float32Array): void;
}

/**
 * Open an artifact of type `images` or `samples`. A small set is kept in memory; of a large one, the images that are
 * asked for are read from its files.
 *
 * @throws FormatError when the artifact's files are not those of an image set
 */
export async function openImages(artifact: InputArtifact): Promise<ImageReader> {
  const info = await readJson(artifact, INFO_FILE, imagesInfoSchema);
  const images = openFiles(info, (name) => artifact.path(fileOf(artifact, name).path));
  if (info.count * images.size * VALUE_TYPES[images.dtype].BYTES_PER_ELEMENT > MEMORY_BYTES) return images;
  using small = images;
  return imagesInMemory({ info, values: small.stored(range(0, info.count)), labels: small.labels });
}

/** Opens the files of a set, whose images are read when they are asked for; `stored` reads deviations as well. */
function openFiles(
  info: ImagesInfo,
  pathOf: (name: string) => string,
): ImageReader & { readonly stored: ImageReader["rows"] } {
  const counts = info.files ?? [info.count];
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total !== info.count) refuse(`${INFO_FILE}, files`, `${total} images`, `${info.count}, its count`);
  using opened = new DisposableStack();
  const files = counts.map((count, number) => {
    const name = fileName(number, counts.length);
    const file = opened.adopt(Deno.openSync(pathOf(name)), (file) => file.close());
    return { file, ...readHead(name, file, { ...info, count }) };
  });
  const labelled = files.filter(({ labels }) => labels !== undefined);
  if (labelled.length % files.length !== 0) refuse("labels", `${labelled.length} files with`, `${files.length}`);
  const labels = labelled.length === 0 ? undefined : joinValues(files.map(({ labels }) => labels!));
  if (labels !== undefined) checkLabels(TENSORS_FILE, labels, info.classes);

  const Type = VALUE_TYPES[formOf(info).dtype];
  const size = storedSizeOf(info);
  const stride = size * Type.BYTES_PER_ELEMENT;
  const perFile = counts[0]!;
  if (counts.slice(0, -1).some((count) => count !== perFile)) {
    refuse(`${INFO_FILE}, files`, counts.join(", "), "equally many images in all but the last");
  }
  const stored = (indices: ArrayLike<number>): Values => {
    const values = new Type(indices.length * size);
    readRows(bytesOf(values), indices, (index) => {
      const { file, offset } = files[Math.floor(index / perFile)]!;
      return { file, offset: offset + index % perFile * stride };
    });
    return values;
  };
  const held = opened.move();
  return { ...reader(info, labels, stored), stored, [Symbol.dispose]: () => held.dispose() };
}

/** Returns a set whose values, [N, H, W, C], are in memory. */
export function imagesInMemory({ info, values, labels }: {
  readonly info: ImagesInfo;
  readonly values: Values;
  readonly labels?: LabelNumbers | undefined;
}): ImageReader {
  const rows = (indices: ArrayLike<number>) => takeRows(values, storedSizeOf(info), indices);
  return { ...reader(info, labels, rows), [Symbol.dispose]: () => {} };
}

/** @param stored reads the stored values of images, [n, H, W, C], or 2 C with deviations */
function reader(info: ImagesInfo, labels: LabelNumbers | undefined, stored: ImageReader["rows"]) {
  const { count, height, width, channels } = info;
  const form = formOf(info);
  const half = (values: Values, start: number) =>
    values.filter((_, i) => Math.floor(i / channels) % 2 === start) as Values;
  const rows = (indices: ArrayLike<number>) => info.posterior ? half(stored(indices), 0) : stored(indices);
  return {
    ...form,
    ...{ info, labels, rows, size: sizeOf(info) },
    shape: [count, height, width, channels] as const,
    read(indices: ArrayLike<number>, out: Float32Array, as: Omit<ValueForm, "dtype"> = form, noise?: Float32Array) {
      if (as.encoder !== form.encoder) refuse("images", encoderText(form), encoderText(as));
      const all = stored(indices);
      const values = info.posterior ? half(all, 0) : all;
      if (info.posterior && noise !== undefined) {
        half(all, 1).forEach((deviation, i) => values[i]! += deviation * noise[i]!);
      }
      const bad = values instanceof Float32Array ? firstNotFinite(values) : -1;
      if (bad >= 0) {
        const image = indices[Math.floor(bad / sizeOf(info))];
        refuse(`image ${image}`, `${values[bad]}`, "finite numbers");
      }
      normalize(values, out, as.normalizer);
    },
  };
}

/** Says whether numbers are latents, and of which encoder. */
function encoderText({ encoder }: Pick<ValueForm, "encoder">): string {
  return encoder === undefined ? "images that are no latents" : `latents of encoder ${encoder.slice(0, 12)}`;
}

/** Number of stored values of one image. */
const storedSizeOf = (info: ImageSize & Pick<ImagesInfo, "posterior">) => sizeOf(info) * (info.posterior ? 2 : 1);
const sizeOf = ({ height, width, channels }: ImageSize) => height * width * channels;

function fileName(number: number, count: number): string {
  return count === 1 ? TENSORS_FILE : `images-${String(number).padStart(5, "0")}.safetensors`;
}

/** Reads the header and the labels of a file. @returns the offset of the first image in the file, and the labels */
function readHead(name: string, file: Deno.FsFile, info: ImagesInfo) {
  const { count, height, width, channels, classes, dtype, posterior } = info;
  const { size } = file.statSync();
  const head = new Uint8Array(Math.min(size, MAX_HEADER_BYTES));
  readAt(file, 0, head);
  const { entries, dataStart } = decodeSafetensorsHeader(head, size);
  const find = (tensor: string, dtype: SafetensorsDType, shape: readonly number[]) => {
    const entry = entries.find((one) => one.name === tensor);
    const [got, wanted] = [entry && `${entry.dtype} [${entry.shape}]`, `${dtype} [${shape}]`];
    return got === wanted ? entry! : refuse(`${name}, tensor ${tensor}`, got ?? "none", wanted);
  };
  const stored = channels * (posterior ? 2 : 1);
  const images = find("images", TENSOR_TYPES[dtype ?? "uint8"], [count, height, width, stored]);
  const isLabelled = classes !== null || entries.some((one) => one.name === "labels");
  if (!isLabelled) return { offset: dataStart + images.begin, labels: undefined };
  const Type = labelTypeOf(classes);
  const { begin } = find("labels", TENSOR_TYPES[dtypeOf(new Type())], [count]);
  const labels = new Type(count);
  readAt(file, dataStart + begin, bytesOf(labels));
  return { offset: dataStart + images.begin, labels };
}

/** Returns the type of the labels of so many classes. */
export const labelTypeOf = (classes: number | null | undefined) =>
  (classes ?? 0) > BYTE_LABELS ? Uint16Array : Uint8Array;
const TENSOR_TYPES = { uint8: "U8", uint16: "U16", float32: "F32" } as const;

/** @throws FormatError for a label that the data set does not have */
export function checkLabels(file: string, labels: LabelNumbers, classes: number | null, first = 0): void {
  const image = labels.findIndex((label) => label >= (classes ?? 0));
  if (image < 0) return;
  const wanted = classes === null ? "none, as classes is null" : `0 to ${classes - 1}`;
  throw new FormatError(`${file}, label of image ${first + image}`, { got: `${labels[image]}`, wanted });
}

/** A description of images to write: a form in place of its record, and no files. */
export type ImagesToDescribe = Omit<ImagesInfo, "files" | keyof ValueForm> & Partial<ValueForm>;

/** Writes a set of images in parts. Call `finish` once all were added, and dispose of the writer in any case. */
export interface ImagesWriter extends Disposable {
  /**
   * Adds images.
   *
   * @param values [n, H, W, C], or [n, H, W, 2 C] of latents with deviations
   * @param labels of these images, [n]; undefined if `classes` is null
   * @throws FormatError for a number that is not finite, or a label that is not below `classes`
   */
  add(values: Uint8Array | Uint16Array | Float32Array, labels?: ArrayLike<number>): Promise<void>;
  /**
   * Writes the description.
   *
   * @param found facts that only the images themselves could tell
   * @param shown other images for the picture, such as decoded ones
   * @returns the description that was written
   */
  finish(
    found?: Partial<Pick<ImagesToDescribe, "normalizer" | "source">>,
    shown?: Readonly<{ values: Values; size: Record<"height" | "width" | "channels", number>; form: ValueForm }>,
  ): Promise<ImagesInfo>;
  /**
   * Returns the files so far, to be saved: another writer goes on from them.
   *
   * @param name of a folder in the state, for writers that save together
   */
  save(name: string): Promise<Readonly<Record<string, { readonly path: string }>>>;
  /** Takes over the first `count` images, those that another writer of the same description had when it saved. */
  resume(saved: SavedState, name: string, count: number): Promise<void>;
}

/**
 * Write a set of images as they come, so that memory use does not grow with their number.
 *
 * @param info the description; `count` is the largest number of images that may come
 * @param picture file name of the picture of the first 64
 * @param copies further formats to write the images in: see `writeCopies`
 */
export function openImagesWriter(
  output: OutputArtifact,
  info: ImagesToDescribe,
  picture = "images.png",
  copies: readonly ("png" | "npz")[] = [],
): ImagesWriter {
  const dtype = info.dtype ?? "uint8";
  const size = storedSizeOf(info);
  const perFile = Math.max(1, Math.floor(FILE_BYTES / (size * VALUE_TYPES[dtype].BYTES_PER_ELEMENT)));
  const fileCount = Math.ceil(info.count / perFile);
  const labelType = labelTypeOf(info.classes);
  const headerOf = (count: number, minBytes = 0) => {
    const images = {
      name: "images",
      dtype: TENSOR_TYPES[dtype],
      shape: [count, info.height, info.width, info.channels * (info.posterior ? 2 : 1)],
    };
    const labels = { name: "labels", dtype: TENSOR_TYPES[dtypeOf(new labelType())], shape: [count] };
    return encodeSafetensorsHeader(info.classes === null ? [images] : [images, labels], { minBytes });
  };
  const stride = size * VALUE_TYPES[dtype].BYTES_PER_ELEMENT;
  const placeOf = (number: number) => join(output.folder, fileName(number, fileCount));
  const countIn = (number: number, of = written) => Math.min(perFile, of - number * perFile);
  let written = 0;
  let open: { file: Deno.FsFile; headerBytes: number; labels: LabelNumbers; count: number } | undefined;

  const begin = async () => {
    const number = Math.floor(written / perFile);
    const expected = countIn(number, info.count);
    const [place, count] = [placeOf(number), countIn(number)];
    if (count > 0) {
      // A saved state has the file too, as it is.
      await Deno.copyFile(place, `${place}.new`);
      await Deno.rename(`${place}.new`, place);
    }
    const file = await Deno.open(place, { read: true, write: true, create: true, truncate: count === 0 });
    const [headerBytes, labels] = [headerOf(expected).length, new labelType(expected)];
    const at = headerBytes + count * stride;
    if (info.classes !== null) readAt(file, at, bytesOf(labels.subarray(0, count)));
    // The true header comes when the file ends: fewer images may come than were expected.
    await file.seek(at, Deno.SeekMode.Start);
    return open = { file, headerBytes, labels, count };
  };
  const end = async () => {
    if (open === undefined) return;
    const { file, headerBytes, labels, count } = open;
    if (info.classes !== null) await writeAll(file, bytesOf(labels.slice(0, count)));
    await file.seek(0, Deno.SeekMode.Start);
    await writeAll(file, headerOf(count, headerBytes));
    file.close();
    open = undefined;
  };
  const numbers = () => [...range(0, Math.ceil(written / perFile))];
  return {
    async add(values, labels) {
      const count = values.length / size;
      if (!(values instanceof VALUE_TYPES[dtype]) || !Number.isInteger(count) || written + count > info.count) {
        throw new RangeError(`Images to add: got ${values.length} of ${values.constructor.name}, wanted ${dtype}`);
      }
      if ((labels?.length ?? (info.classes === null ? count : 0)) !== count) {
        throw new RangeError(`Labels to add: got ${labels?.length ?? 0}, wanted ${count}`);
      }
      const bad = values instanceof Float32Array ? firstNotFinite(values) : -1;
      if (bad >= 0) refuse(`image ${written + Math.floor(bad / size)}`, `${values[bad]}`, "finite numbers");
      for (let done = 0; done < count;) {
        const into = open ?? await begin();
        const taken = Math.min(count - done, perFile - into.count);
        await writeAll(into.file, bytesOf(values.subarray(done * size, (done + taken) * size)));
        if (labels !== undefined && info.classes !== null) {
          const own = labelType.from(Array.prototype.slice.call(labels, done, done + taken));
          checkLabels(TENSORS_FILE, own, info.classes, written);
          into.labels.set(own, into.count);
        }
        into.count += taken;
        written += taken;
        done += taken;
        if (into.count === perFile) await end();
      }
    },
    async finish(found = {}, shown) {
      await end();
      const counts = numbers().map((number) => countIn(number));
      // One file of fewer images than were expected has the name of an only file.
      if (counts.length === 1 && fileCount > 1) await Deno.rename(placeOf(0), join(output.folder, TENSORS_FILE));
      const { dtype, normalizer, encoder, ...rest } = { ...info, ...found, count: written };
      const form = formOf(definedOnly({ dtype, normalizer, encoder }));
      const described: ImagesInfo = { ...rest, ...recordOf(form), ...counts.length > 1 && { files: counts } };
      await writeJson(output, INFO_FILE, described, imagesInfoSchema);
      using images = openFiles(described, (name) => join(output.folder, name));
      const values = shown?.values ?? images.rows(range(0, Math.min(written, picturedCount(info))));
      await output.write(picture, gridPng([values], shown?.size ?? info, shown?.form ?? form));
      await writeCopies(output, images, copies);
      return described;
    },
    async save(name) {
      await end();
      return Object.fromEntries(numbers().map((number) => [`${name}/${number}`, { path: placeOf(number) }]));
    },
    async resume(saved, name, count) {
      written = count;
      const pairs = numbers().map((number) => [saved.path(`${name}/${number}`), placeOf(number)] as const);
      // Not all file systems have links.
      for (const pair of pairs) await Deno.link(...pair).catch(() => Deno.copyFile(...pair));
    },
    [Symbol.dispose]() {
      open?.file.close();
    },
  };
}
