import { join } from "node:path";
import type { StageEnd } from "../../../contract/stage.ts";
import type { DatasetContext } from "../context.ts";
import { type BrokenFile, brokenFiles } from "./broken.ts";
import { decodeImage, type Shape } from "./decode.ts";
import type { FolderListing } from "./list.ts";

/** All images of both splits, or the broken ones, named all at once. */
export async function readImages(
  { stop, report }: DatasetContext,
  { root, images: names, broken: listed }: FolderListing & { readonly root: string },
  splits: { readonly train: readonly number[]; readonly test: readonly number[] },
  shape: Shape,
): Promise<{ readonly pixels: Record<"train" | "test", Uint8Array<ArrayBuffer>> } | StageEnd> {
  const imageBytes = shape.size ** 2 * shape.channels;
  const total = splits.train.length + splits.test.length;
  const pixels = {
    train: new Uint8Array(splits.train.length * imageBytes),
    test: new Uint8Array(splits.test.length * imageBytes),
  };
  const broken: BrokenFile[] = [...listed];
  let done = 0;
  for (const split of ["train", "test"] as const) {
    for (const [place, index] of splits[split].entries()) {
      if (stop.aborted) return { status: "interrupted", step: 0 };
      const name = names[index]!;
      const image = await readImage(join(root, name), shape);
      if (typeof image === "string") broken.push({ path: name, reason: image });
      else pixels[split].set(image, place * imageBytes);
      report({ done: ++done, total, unit: "images" });
    }
  }
  return broken.length > 0 ? brokenFiles(broken, total) : { pixels };
}

async function readImage(path: string, shape: Shape): Promise<Uint8Array | string> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    return (error as Error).message;
  }
  return decodeImage(bytes, shape);
}
