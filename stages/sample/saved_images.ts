import { decodeSafetensors, encodeSafetensors } from "../../formats/safetensors.ts";
import type { SavedState } from "../contract.ts";

/** Images that are done, as the progress of a `sample` stage. */
const FILE = "images.safetensors";

/** @param pixels of whole images, row-major */
export function encodeSavedImages(pixels: Uint8Array): Record<string, Uint8Array> {
  const data = Uint8Array.from(pixels);
  return { [FILE]: encodeSafetensors({ tensors: { pixels: { dtype: "U8", shape: [data.length], data } } }) };
}

/** @throws FormatError or Error when the file is not one of `encodeSavedImages` of `saved.step` images. */
export async function decodeSavedImages(saved: SavedState, pixelsPerImage: number): Promise<Uint8Array> {
  const data = decodeSafetensors(await saved.read(FILE)).tensors["pixels"]?.data;
  const wanted = saved.step * pixelsPerImage;
  if (!(data instanceof Uint8Array) || data.length !== wanted) {
    throw new Error(`${FILE}: got ${data?.length ?? "none"}, wanted ${wanted} bytes`);
  }
  return data;
}

/**
 * Whether so many finished images should be saved. A save writes all of them again, so saves thin out as they grow:
 * all of them together write a few times the final size, and a kill loses at most an eighth of the work.
 */
export function isDueForSaving(done: number, lastSaved: number): boolean {
  return done - lastSaved >= done / 8;
}
