import { MAX_PREVIEW_BYTES } from "../process/protocol.ts";
import { MAX_PREVIEWS } from "../store/runs.ts";

/** The signature of a PNG, and the length and type of its first chunk, which begins with the width and the height. */
const PNG_START = "89504e470d0a1a0a0000000d49484452";
/** The most pixels of a preview. A browser takes four bytes for each pixel of a picture, however short its file is. */
const MAX_PREVIEW_PIXELS = 1 << 24;

/**
 * Returns why a preview is not kept; undefined if it is.
 * @param count the number of previews that are kept already
 * @param room the bytes that are left for previews of the run
 */
export function refusePreview(png: Uint8Array, count: number, room: number): string | undefined {
  const start = PNG_START.length / 2;
  if (png.length < start + 8 || png.subarray(0, start).toHex() !== PNG_START) {
    return `a preview is a PNG of at most ${MAX_PREVIEW_BYTES} bytes`;
  }
  const view = new DataView(png.buffer, png.byteOffset);
  const [width, height] = [view.getUint32(start), view.getUint32(start + 4)];
  if (width * height < 1 || width * height > MAX_PREVIEW_PIXELS) {
    return `a preview has at most ${MAX_PREVIEW_PIXELS} pixels, and not ${width} x ${height}`;
  }
  return count < MAX_PREVIEWS && png.length <= room ? undefined : "a run has room for no more previews";
}
