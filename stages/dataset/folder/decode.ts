import type { ByteImage } from "../../../formats/byte_image.ts";
import { FormatError } from "../../../formats/format_error.ts";
import { decodeJpeg, isJpeg } from "../../../formats/jpeg.ts";
import { decodePng } from "../../../formats/png.ts";
import { type Colour, flatten } from "../flatten.ts";
import { cropSquare, resizeSquare } from "./fit.ts";

export interface Shape {
  readonly size: number;
  readonly channels: 1 | 3;
  readonly background: Colour;
}

/**
 * Bytes of an image file as a square of the wanted size. What the bytes are counts, not how the file is called: many a
 * PNG is named .jpg.
 *
 * @returns uint8 [size, size, channels] row-major, or what is wrong with the file
 */
export function decodeImage(bytes: Uint8Array, { size, channels, background }: Shape): Uint8Array | string {
  let image: ByteImage;
  try {
    image = isJpeg(bytes) ? decodeJpeg(bytes) : decodePng(bytes);
  } catch (error) {
    if (error instanceof FormatError) return bytes.length === 0 ? "an empty file" : error.message;
    throw error;
  }
  return resizeSquare(cropSquare(flatten(image, channels, background)), size).data;
}

/** A colour as "#rrggbb". */
export function parseColour(text: string): Colour {
  const value = parseInt(text.slice(1), 16);
  return [value >> 16, (value >> 8) & 0xff, value & 0xff];
}
