import { decodeSafetensors, encodeSafetensors } from "../../../formats/safetensors.ts";
import type { SavedState } from "../../../contract/stage.ts";

/** Images that are done, as the progress of a `sample` stage. */
const FILE = "images.safetensors";

/** @param pixels of whole images, row-major @param film of the first of them, where there is one */
export function encodeSavedImages(pixels: Uint8Array, film?: Uint8Array): Record<string, Uint8Array> {
  const tensor = (bytes: Uint8Array) => {
    const data = Uint8Array.from(bytes);
    return { dtype: "U8", shape: [data.length], data } as const;
  };
  const tensors = { pixels: tensor(pixels), ...(film === undefined ? {} : { film: tensor(film) }) };
  return { [FILE]: encodeSafetensors({ tensors }) };
}

/** @throws FormatError or Error when the file is not one of `encodeSavedImages` of `saved.step` images. */
export async function decodeSavedImages(
  saved: SavedState,
  pixelsPerImage: number,
): Promise<{ readonly pixels: Uint8Array; readonly film: Uint8Array | undefined }> {
  const { tensors } = decodeSafetensors(await saved.read(FILE));
  const [data, film] = [tensors["pixels"]?.data, tensors["film"]?.data];
  const wanted = saved.step * pixelsPerImage;
  if (!(data instanceof Uint8Array) || data.length !== wanted) {
    throw new Error(`${FILE}: got ${data?.length ?? "none"}, wanted ${wanted} bytes`);
  }
  return { pixels: data, film: film instanceof Uint8Array ? film : undefined };
}
