import { encode } from "fast-png";
import type { DeepImage } from "./byte_image.ts";

/**
 * Encodes a PNG of 8 or 16 bits a channel, grey or RGB, with alpha or without. Equal images give equal bytes.
 *
 * @param image with 1 to 4 channels
 */
export function encodePng(image: DeepImage): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(encode({ ...image, depth: image.data instanceof Uint16Array ? 16 : 8 }));
}
