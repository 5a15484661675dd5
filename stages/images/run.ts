import { basename, join } from "node:path";
import { type ImagesWriter, openImagesWriter } from "../../artifacts/image_files.ts";
import type { RunOf } from "../../engine/contract/stage.ts";
import { type DeepImage, toBytes } from "../../science/formats/byte_image.ts";
import { FormatError, refuse } from "../../science/formats/format_error.ts";
import { range } from "../../science/metrics/vectors.ts";
import { countOf } from "../../std/count_of.ts";
import { open } from "../dataset/files.ts";
import { fitImage } from "../dataset/fit.ts";
import { brokenFiles, Forms } from "../dataset/image_files.ts";
import type { Items } from "../dataset/items.ts";
import { arraysOf, open as openRows, openArray } from "../dataset/numpy.ts";
import { isTransparent } from "../dataset/pixels.ts";
import type { imagesKind } from "./kind.ts";

export default (async ({ params: { path, size, channels }, outputs, stop, report, note, warn }) => {
  try {
    const isFolder = (await Deno.stat(path)).isDirectory;
    const { names, broken, others = 0, read } = await (isFolder ? openFolder : openNpz)(path);
    if (others > 0) note(`skipped ${countOf(others, "file")} of another kind than images`);
    const count = names.length;
    const [deep, clear]: [string[], string[]] = [[], []];
    const sizes = new Forms();
    using opened = new DisposableStack();
    let writer: ImagesWriter | undefined;
    let done = 0;
    for await (const got of read(range(0, count))) {
      if (stop.aborted) return { status: "interrupted", step: 0 };
      const name = names[done++]!;
      const image = typeof got === "string" ? got : toBytes(got as DeepImage);
      if (typeof got !== "string" && got.data instanceof Uint16Array) deep.push(name);
      if (typeof image === "string") broken.set(name, image);
      else {
        if (isTransparent(image)) clear.push(name);
        const { width, height, data } = fitImage(image, { channels, size: size === undefined ? size : [size, size] });
        sizes.add(`${height}x${width}`, name);
        const info = { count, height, width, channels, classes: null, source: { name: "given" } };
        writer ??= opened.use(openImagesWriter(outputs.images, info));
        // Another size fails the stage once all images have been looked at.
        if (sizes.size === 1) await writer.add(data);
      }
      report({ done, total: count, unit: "image" });
    }
    if (broken.size > 0) return brokenFiles(broken, count);
    if (sizes.size > 1) {
      const fix = "set size to cut the middle square out of each and resize it, or remove the others";
      return { status: "failed", message: `the images have ${sizes.size} sizes, height x width: ${sizes}`, fix };
    }
    if (deep.length > 0) {
      const which = `${countOf(deep.length, "image")} of 16 bits a channel, the first ${deep[0]}`;
      warn(`${which}: rounded to 8, as features of images are; dataset with depth: 16 keeps them`);
    }
    if (clear.length > 0) {
      const which = `${countOf(clear.length, "image")} with transparent pixels, the first ${clear[0]}`;
      warn(`${which}: put on white, as dataset does; programs that drop transparency would score other pixels`);
    }
    // Equal images are the same artifact, from whichever form they were read.
    await writer?.finish();
    return undefined;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const fix =
      "give a folder of PNG and JPEG files, or an npz with arr_0; a result is named by its pipeline and stage";
    return { status: "failed", message: error.message, fix: error.fix ?? fix };
  }
}) satisfies RunOf<typeof imagesKind>;

/** @throws FormatError for what holds no images */
async function openFolder(path: string): Promise<Items> {
  const items = await open([path], { source: "folder", labels: "none" });
  // The pictures beside a result are overviews of it.
  const isResult = await Deno.stat(join(path, "images.json")).then(() => true, () => false);
  if (isResult || items.names.length + items.broken.size === 0) {
    refuse(path, "no image of its own", "PNG or JPEG files");
  }
  return items;
}

/** Opens an npz as openai/guided-diffusion's evaluator takes it. @throws FormatError for what holds no images */
async function openNpz(path: string): Promise<Items> {
  const arrays = await arraysOf(path);
  const isThere = arrays.includes("arr_0");
  const array = isThere ? await openArray(path, "arr_0") : undefined;
  await array?.bytes.close();
  const { shape = [], type } = array ?? {};
  const [count = 0, height = 0, , channels = 0] = shape;
  if (type === Uint8Array && shape.length === 4 && [1, 3].includes(channels) && count > 0) {
    return await openRows({ source: "numpy", path, column: "arr_0" });
  }
  const dtype = type?.name.replace("Array", "").toLowerCase();
  const fixes = [
    !isThere && `numpy.savez("${basename(path)}", ${arrays[0] ?? "images"}) calls its array arr_0`,
    height <= 4 && channels > 4 && "arr_0.transpose(0, 2, 3, 1) has the channels last",
    shape.length === 3 && "arr_0[..., None] has the channel of grey",
    shape.length === 4 && [2, 4].includes(channels) && `arr_0[..., :${channels - 1}] has no alpha`,
    dtype === "uint16" && '(arr_0 / 257).round().astype("uint8") for levels from 0 to 65535',
    isThere && dtype !== "uint8" && 'arr_0.astype("uint8") for levels from 0 to 255',
    dtype?.startsWith("float") && '(arr_0 * 255).round().astype("uint8") for levels from 0 to 1, ' +
      '((arr_0 + 1) * 127.5).round().astype("uint8") for levels from -1 to 1',
  ];
  const got = isThere ? `${dtype} (${shape.join(", ")})` : `only ${arrays.join(", ") || "nothing"}`;
  const fix = fixes.filter(Boolean).join("; ") || undefined;
  throw new FormatError(`${path}: array arr_0`, { got, wanted: "uint8 (N, H, W, C), C 1 or 3", fix });
}
