import { convertIndexedToRgb, decode, encode } from "fast-png";
import { FormatError } from "./format_error.ts";

/** One image of bytes, [H, W, C] row-major. */
export interface ByteImage {
  readonly width: number;
  readonly height: number;
  /** 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. */
  readonly channels: number;
  readonly data: Uint8Array;
}

/** Larger images are refused before memory is taken for them: a few bytes of header can declare 2^62 pixels. */
export const MAX_PNG_PIXELS = 2 ** 28;

/** Position of width and height in the IHDR chunk, which the format puts first. */
const WIDTH_OFFSET = 16;
const HEIGHT_OFFSET = 20;

/**
 * Write a PNG of 8 bits a channel, grey or RGB. Equal images give equal bytes.
 *
 * @throws RangeError when the channels are neither 1 nor 3 or the sizes do not multiply to the length of the data.
 */
export function encodePng({ width, height, channels, data }: ByteImage): Uint8Array<ArrayBuffer> {
  if (channels !== 1 && channels !== 3) throw new RangeError(`PNG channels: got ${channels}, wanted 1 or 3`);
  const valid = [width, height].every((side) => Number.isInteger(side) && side >= 1);
  if (!valid || data.length !== width * height * channels) {
    throw new RangeError(`PNG image: got ${data.length} bytes, wanted ${height} x ${width} x ${channels}`);
  }
  return Uint8Array.from(encode({ width, height, channels, depth: 8, data }));
}

/**
 * Read a PNG of 8 bits a channel; a palette is resolved to RGB, or to RGB and alpha.
 *
 * @throws FormatError when it is not a PNG, is damaged (checksums are verified), too large, or of another bit depth.
 */
export function decodePng(bytes: Uint8Array): ByteImage {
  checkSize(bytes);
  let image;
  try {
    const decoded = decode(bytes, { checkCrc: true });
    // RGB images may carry a palette too, as a hint for old displays.
    image = decoded.palette !== undefined && decoded.channels === 1 ? withoutPalette(decoded) : decoded;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError("PNG", { got: `a damaged file (${reason})`, wanted: "a PNG image", cause });
  }
  const { width, height, channels, depth, data } = image;
  if (depth !== 8) throw new FormatError("PNG bit depth", { got: `${depth}`, wanted: "8" });
  if (data.length !== width * height * channels) {
    throw new FormatError("PNG data", { got: `${data.length} bytes`, wanted: `${height} x ${width} x ${channels}` });
  }
  return { width, height, channels, data: Uint8Array.from(data) };
}

function withoutPalette(decoded: ReturnType<typeof decode>) {
  const { width, height, palette } = decoded;
  const channels = palette![0]!.length;
  return { width, height, channels, depth: 8, data: convertIndexedToRgb(decoded) };
}

function checkSize(bytes: Uint8Array): void {
  if (bytes.length < HEIGHT_OFFSET + 4) {
    throw new FormatError("PNG", { got: `${bytes.length} bytes`, wanted: "a signature and a header" });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = view.getUint32(WIDTH_OFFSET);
  const height = view.getUint32(HEIGHT_OFFSET);
  if (width === 0 || height === 0 || width * height > MAX_PNG_PIXELS) {
    throw new FormatError("PNG size", { got: `${width} x ${height}`, wanted: `1 to ${MAX_PNG_PIXELS} pixels` });
  }
}
