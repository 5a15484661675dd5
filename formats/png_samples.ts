import { convertIndexedToRgb, type decode } from "fast-png";
import type { ByteImage } from "./byte_image.ts";

type DecodedPng = ReturnType<typeof decode>;

/** A decoded PNG of any depth as bytes; lengths are not checked. */
export function toBytes(decoded: DecodedPng): ByteImage {
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
