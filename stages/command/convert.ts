import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { writeCheckpoint } from "../../artifacts/checkpoint.ts";
import { type ImagesWriter, openImagesWriter } from "../../artifacts/image_files.ts";
import type { OutputArtifact, StageContext, StageEnd } from "../../engine/contract/stage.ts";
import { InterchangeError } from "../../science/diffusion/interchange/problem.ts";
import { dtypeOf } from "../../science/diffusion/normalizer.ts";
import { FormatError } from "../../science/formats/format_error.ts";
import { countOf } from "../../std/count_of.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { open as openFiles } from "../dataset/files.ts";
import { brokenFiles, Forms } from "../dataset/image_files.ts";
import type { Items } from "../dataset/items.ts";
import { arraysOf, open as openArrays } from "../dataset/numpy.ts";
import { fromDiffusers } from "../import/run.ts";

/** Files that programs leave and that are not yet an artifact of their type: they become one, by the usual readers. */

type Convert = (output: OutputArtifact, context: Pick<StageContext, "note">) => Promise<StageEnd | undefined>;

/** Makes the pictures or the array that a program has left in an output a set of images. */
const convertImages: Convert = async (output, { note }) => {
  if (existsSync(join(output.folder, "images.json"))) return undefined;
  return await convert(output, async (given, names) => {
    const isArray = names.length === 1 && /\.np[yz]$/.test(names[0]!);
    const items =
      await (isArray ? openArray(join(given, names[0]!)) : openFiles([given], { source: "folder", labels: undefined }));
    if (items.names.length + items.broken.size === 0) return "nothing";
    if (items.others) note(`left out ${countOf(items.others, "file")} of another kind than images`);
    return await writeSet(items, output);
  });
};

/** Makes a folder of diffusers that a program has left in an output a checkpoint. */
const convertCheckpoint: Convert = async (output) => {
  if (!existsSync(join(output.folder, "unet"))) return undefined;
  return await convert(output, async (given) => {
    await writeCheckpoint(output, await fromDiffusers(given, { more: true }));
    return undefined;
  });
};

/** By type of output. Each returns what is wrong. */
export const CONVERT: Readonly<Record<string, Convert>> = {
  images: convertImages,
  samples: convertImages,
  checkpoint: convertCheckpoint,
};

/**
 * Converts files within their folder, where the new ones may have the same names.
 * @param make writes the new files from a folder with the old ones; "nothing" leaves these as they were
 */
async function convert(
  { folder }: OutputArtifact,
  make: (given: string, names: readonly string[]) => Promise<StageEnd | undefined | "nothing">,
): Promise<StageEnd | undefined> {
  const names = Deno.readDirSync(folder).map(({ name }) => name).toArray();
  // A program in a box may have left links to what it could not read itself.
  const other = readdirSync(folder, { recursive: true, withFileTypes: true }).find((one) => {
    return !one.isFile() && !one.isDirectory();
  });
  if (other !== undefined) {
    return { status: "failed", message: `${other.name} is a link, or no file`, fix: "write files" };
  }
  const given = join(folder, `.given-${crypto.randomUUID()}`);
  const move = (from: string, to: string) => names.forEach((name) => Deno.renameSync(join(from, name), join(to, name)));
  Deno.mkdirSync(given);
  move(folder, given);
  try {
    const end = await make(given, names);
    if (end !== "nothing") return end;
    move(given, folder);
    return undefined;
  } catch (error) {
    if (error instanceof InterchangeError) {
      const { message, got, wanted, fix } = error.problem;
      return { status: "failed", message: `${message}: got ${got}, wanted ${wanted}`, fix };
    }
    if (!(error instanceof FormatError)) throw error;
    const message = error.message.replaceAll(`${given}/`, "");
    return { status: "failed", message, fix: error.fix ?? "correct what the program writes" };
  } finally {
    Deno.removeSync(given, { recursive: true });
  }
}

/** Opens an .npy, or an .npz of images and, if it has them, labels. */
async function openArray(path: string): Promise<Items> {
  const names = path.endsWith(".npz") ? await arraysOf(path) : [];
  const labels = names.includes("labels") ? { column: "labels" } : undefined;
  const column = names.includes("images") ? "images" : undefined;
  return await openArrays({ source: "numpy", path, ...definedOnly({ labels, column }) });
}

/** Writes all items, which must be alike, as they are. */
async function writeSet(items: Items, output: OutputArtifact): Promise<StageEnd | undefined> {
  const { names, labels, broken } = items;
  if (typeof labels === "string") return { status: "failed", message: labels, fix: "correct the labels" };
  const examined = names.length + broken.size;
  const { classes = null, classNames } = labels ?? {};
  const forms = new Forms();
  using opened = new DisposableStack();
  let writer: ImagesWriter | undefined;
  let at = 0;
  for await (const item of items.read(Uint32Array.from(names.keys()))) {
    const place = at++;
    if (typeof item === "string") {
      broken.set(names[place]!, item);
      continue;
    }
    const { data, ...size } = item;
    const form = { ...size, dtype: dtypeOf(data) };
    if (form.dtype === "float32") {
      const fix = "write bytes, or use noiseline.write_images(port, array, value_range=(-1, 1))";
      const wanted = "uint8 or uint16: nothing says which values are black and white";
      throw new FormatError("the array", { got: form.dtype, wanted, fix });
    }
    forms.add(`${size.height}x${size.width}x${size.channels} of ${form.dtype}`, names[place]!);
    if (forms.size > 1 || broken.size > 0) continue;
    const source = definedOnly({ by: "program", classNames });
    writer ??= opened.use(openImagesWriter(output, { count: names.length, ...form, classes, source }));
    await writer.add(data, labels && [labels.of[place]!]);
  }
  if (broken.size > 0) return brokenFiles(broken, examined);
  if (forms.size > 1) {
    const fix = "write images of one size, and other pictures to another output";
    return { status: "failed", message: `the images differ, height x width x channels: ${forms}`, fix };
  }
  await writer!.finish();
  return undefined;
}
