import { convertIndexedToRgb, decode, encode } from "fast-png";
import type { ByteImage } from "./byte_image.ts";
import { FormatError } from "./format_error.ts";

/** Larger images are refused before memory is taken for them: a few bytes of header can declare 2^62 pixels. */
export const MAX_PNG_PIXELS = 2 ** 28;

/** Position of width and height in the IHDR chunk, which the format puts first. */
const WIDTH_OFFSET = 16;
const HEIGHT_OFFSET = 20;

/**
 * Write a PNG of 8 bits a channel, grey or RGB. Equal images give equal bytes.
 *
 * @param image of 1 or 3 channels
 */
export function encodePng(image: ByteImage): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(encode({ ...image, depth: 8 }));
}

/**
 * Read a PNG as bytes. A palette is resolved to RGB, or to RGB and alpha; 16 bits a channel are rounded to 8; 1, 2 and 4
 * bits are stretched to 8; a transparent colour becomes alpha. Of an animation, the still image is read.
 *
 * @throws FormatError when it is not a PNG, is damaged (checksums are verified) or too large.
 */
export function decodePng(bytes: Uint8Array): ByteImage {
  checkSize(bytes);
  let image;
  try {
    image = toBytes(decode(bytes, { checkCrc: true }));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError("PNG", { got: `a damaged file (${reason})`, wanted: "a PNG image", cause });
  }
  const { width, height, channels, data } = image;
  if (data.length !== width * height * channels) {
    throw new FormatError("PNG data", { got: `${data.length} bytes`, wanted: `${height} x ${width} x ${channels}` });
  }
  return image;
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

type DecodedPng = ReturnType<typeof decode>;

/** A decoded PNG of any depth as bytes; lengths are not checked. */
function toBytes(decoded: DecodedPng): ByteImage {
  const { width, height, channels, palette, transparency } = decoded;
  // RGB images may carry a palette too, as a hint for old displays.
  if (palette !== undefined && channels === 1) {
    return { width, height, channels: palette[0]!.length, data: convertIndexedToRgb(decoded) };
  }
  const samples = decoded.depth < 8 ? unpack(decoded) : decoded.data;
  const image = { width, height, channels, data: stretch(samples, decoded.depth) };
  return transparency === undefined || transparency.length !== channels
    ? image
    : withAlpha(image, samples, transparency);
}

/** Grey samples of 1, 2 or 4 bits, the first in the highest bits; each row starts at a byte. */
function unpack({ width, height, depth, data }: DecodedPng): Uint8Array {
  const rowBytes = Math.ceil(width * depth / 8);
  const samples = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const byte = data[y * rowBytes + (bit >> 3)]!;
      samples[y * width + x] = (byte >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
    }
  }
  return samples;
}

/** The nearest byte: 65,535 and every other largest sample become 255. */
function stretch(samples: ArrayLike<number>, depth: number): Uint8Array {
  if (depth === 8) return Uint8Array.from(samples);
  const most = 2 ** depth - 1;
  return Uint8Array.from(samples, (sample) => Math.round(sample * 255 / most));
}

/** The one colour that a PNG declares transparent is compared at the file's own depth. */
function withAlpha(image: ByteImage, samples: ArrayLike<number>, clear: ArrayLike<number>): ByteImage {
  const { channels, data } = image;
  const pixels = data.length / channels;
  const out = new Uint8Array(pixels * (channels + 1));
  for (let at = 0; at < pixels; at++) {
    let same = true;
    for (let channel = 0; channel < channels; channel++) {
      out[at * (channels + 1) + channel] = data[at * channels + channel]!;
      same &&= samples[at * channels + channel] === clear[channel];
    }
    out[at * (channels + 1) + channels] = same ? 0 : 255;
  }
  return { ...image, channels: channels + 1, data: out };
}
