import { MAX_PREVIEW_BYTES } from "../process/protocol.ts";
import { MAX_PREVIEWS } from "../store/runs.ts";

const PNG_SIGNATURE = "89504e470d0a1a0a";

/** Why a preview is not kept. @param count of those that are @param room bytes that are left for all of a run */
export function refusePreview(png: Uint8Array, count: number, room: number): string | undefined {
  if (png.subarray(0, 8).toHex() !== PNG_SIGNATURE) return `a preview is a PNG of at most ${MAX_PREVIEW_BYTES} bytes`;
  return count < MAX_PREVIEWS && png.length <= room ? undefined : "a run has room for no more previews";
}
