import { basename, join } from "node:path";
import { type ImagesWriter, openImagesWriter } from "../../artifacts/image_files.ts";
import { imageAt } from "../../artifacts/pictures.ts";
import type { RunOf } from "../../contract/stage.ts";
import { type ByteImage, type DeepImage, toBytes } from "../../formats/byte_image.ts";
import { FormatError, refuse } from "../../formats/format_error.ts";
import { decodeNpz, namesInNpz } from "../../formats/npz.ts";
import { countOf } from "../../std/count_of.ts";
import { fitImage } from "../dataset/fit.ts";
import { brokenFiles, decodeImage, Forms, listImages } from "../dataset/image_files.ts";
import { readFile } from "../dataset/read_file.ts";
import type { imagesKind } from "./kind.ts";

/** An npz is read whole. */
const MAX_BYTES = 2 ** 31;
const TRANSPARENT = "transparent; save it without: other programs ignore that, and would score other pixels";

export default (async ({ params: { path, size, channels }, outputs, stop, report, note, warn }) => {
  try {
    const { count, nameOf, images, broken } = await open(path, note);
    const deep: string[] = [];
    const sizes = new Forms();
    using opened = new DisposableStack();
    let writer: ImagesWriter | undefined;
    let i = -1;
    for await (const read of images) {
      if (stop.aborted) return { status: "interrupted", step: 0 };
      i++;
      const image = typeof read === "string" ? read : toBytes(read);
      if (typeof read !== "string" && read.data instanceof Uint16Array) deep.push(nameOf(i));
      if (typeof image === "string") broken.set(nameOf(i), image);
      else if (isTransparent(image)) broken.set(nameOf(i), TRANSPARENT);
      else {
        const { width, height, data } = fitImage(image, { channels, size: size === undefined ? size : [size, size] });
        sizes.add(`${height}x${width}`, nameOf(i));
        const info = { count, height, width, channels, classes: null, source: { name: "given" } };
        writer ??= opened.use(openImagesWriter(outputs.images, info));
        // Another size fails the stage once all images have been looked at.
        if (sizes.size === 1) await writer.add(data);
      }
      report({ done: i + 1, total: count, unit: "image" });
    }
    if (broken.size > 0) return brokenFiles(broken, count);
    if (sizes.size > 1) {
      const fix = "set size (score: --size) to cut the middle square out of each and resize it, or remove the others";
      return { status: "failed", message: `the images have ${sizes.size} sizes, height x width: ${sizes}`, fix };
    }
    if (deep.length > 0) {
      const which = `${countOf(deep.length, "image")} of 16 bits a channel, the first ${deep[0]}`;
      warn(`${which}: rounded to 8, as features of images are; dataset with depth: 16 keeps them`);
    }
    // Equal images are the same artifact, from whichever form they were read.
    await writer?.finish();
    return undefined;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const fix =
      "give a folder of PNG and JPEG files, or an npz with arr_0; a result is named by its pipeline and stage";
    return { status: "failed", message: `${path}: ${error.message}`, fix: error.fix ?? fix };
  }
}) satisfies RunOf<typeof imagesKind>;

interface Images {
  readonly count: number;
  readonly nameOf: (i: number) => string;
  /** Each image, or what is wrong with its file. */
  readonly images: AsyncIterable<DeepImage | string> | Iterable<ByteImage>;
  readonly broken: Map<string, string>;
}

/** @throws FormatError for what holds no images */
async function open(path: string, note: (message: string) => void): Promise<Images> {
  if ((await Deno.stat(path)).isDirectory) {
    const { images: names, broken, others, read } = await listImages(path);
    // The pictures beside a result are overviews of it.
    const isResult = await Deno.stat(join(path, "images.json")).then(() => true, () => false);
    if (isResult || names.length + broken.size === 0) refuse("folder", "no image of its own", "PNG or JPEG files");
    if (others > 0) note(`skipped ${countOf(others, "file")} of another kind than images`);
    const images = decoded(read(names.map((_, i) => i)));
    return { count: names.length, nameOf: (i) => names[i]!, images, broken };
  }
  // As openai/guided-diffusion's evaluator takes them.
  const bytes = await readFile(path, "npz file", MAX_BYTES);
  const array = await decodeNpz(bytes, "arr_0", MAX_BYTES);
  const [count = 0, height = 0, width = 0, channels = 0] = array?.shape ?? [];
  if (!(array?.data instanceof Uint8Array) || array.shape.length !== 4 || ![1, 3].includes(channels) || count === 0) {
    const names = await namesInNpz(bytes);
    const dtype = array?.data.constructor.name.replace("Array", "").toLowerCase();
    const got = array === undefined ? `only ${names.join(", ") || "nothing"}` : `${dtype} (${array.shape.join(", ")})`;
    const fixes = [
      array === undefined && `numpy.savez("${basename(path)}", ${names[0] ?? "images"}) calls its array arr_0`,
      height <= 4 && channels > 4 && "arr_0.transpose(0, 2, 3, 1) has the channels last",
      array !== undefined && dtype !== "uint8" && 'arr_0.astype("uint8") for levels from 0 to 255, ' +
        '((arr_0 + 1) * 127.5).round().astype("uint8") for levels from -1 to 1',
    ];
    const fix = fixes.filter(Boolean).join("; ") || undefined;
    throw new FormatError("array arr_0", { got, wanted: "uint8 (N, H, W, C), C 1 or 3", fix });
  }
  const [pixels, form] = [array.data as Uint8Array<ArrayBuffer>, { height, width, channels }];
  const images = Array.from({ length: count }, (_, i) => ({ ...form, data: imageAt(pixels, i, form) }));
  return { count, nameOf: (i) => `image ${i}`, images, broken: new Map() };
}

async function* decoded(files: AsyncIterable<Uint8Array | string>) {
  for await (const file of files) yield typeof file === "string" ? file : decodeImage(file);
}

function isTransparent({ channels, data }: ByteImage): boolean {
  return channels % 2 === 0 && data.some((value, i) => i % channels === channels - 1 && value !== 255);
}
