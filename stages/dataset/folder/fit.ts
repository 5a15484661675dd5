import type { ByteImage } from "../../../formats/byte_image.ts";

/** The middle of an image, as large a square as fits; of two middles, the upper or left one. */
export function cropSquare(image: ByteImage): ByteImage {
  const { width, height, channels, data } = image;
  const side = Math.min(width, height);
  if (width === height) return image;
  const left = Math.floor((width - side) / 2);
  const top = Math.floor((height - side) / 2);
  const out = new Uint8Array(side * side * channels);
  for (let y = 0; y < side; y++) {
    const start = ((top + y) * width + left) * channels;
    out.set(data.subarray(start, start + side * channels), y * side * channels);
  }
  return { width: side, height: side, channels, data: out };
}

/** What one new pixel is made of along one axis: old pixels from `start` on, with weights that add up to 1. */
interface Taps {
  readonly start: number;
  readonly weights: Float64Array;
}

/**
 * Bring a square image to another side with a triangle filter that widens with the scale, so that smaller images do not
 * alias: Pillow's `resize` with BILINEAR, but for its rounding between the two axes. Rounded half up.
 */
export function resizeSquare(image: ByteImage, side: number): ByteImage {
  const { width: from, channels, data } = image;
  if (from === side) return image;
  const taps = Array.from({ length: side }, (_, at) => tapsOf(at, from, side));
  const rows = new Float64Array(from * side * channels);
  for (let y = 0; y < from; y++) {
    taps.forEach(({ start, weights }, x) => {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        weights.forEach((weight, i) => sum += weight * data[(y * from + start + i) * channels + channel]!);
        rows[(y * side + x) * channels + channel] = sum;
      }
    });
  }
  const rowLength = side * channels;
  const out = new Uint8Array(side * rowLength);
  taps.forEach(({ start, weights }, y) => {
    for (let at = 0; at < rowLength; at++) {
      let sum = 0;
      weights.forEach((weight, i) => sum += weight * rows[(start + i) * rowLength + at]!);
      // Weights add up to 1 but for rounding, which must not carry 255 past the largest byte.
      out[y * rowLength + at] = Math.min(255, Math.floor(sum + 0.5));
    }
  });
  return { width: side, height: side, channels, data: out };
}

function tapsOf(at: number, from: number, side: number): Taps {
  const scale = from / side;
  const reach = Math.max(1, scale);
  const centre = (at + 0.5) * scale;
  const start = Math.max(0, Math.floor(centre - reach + 0.5));
  const end = Math.min(from, Math.floor(centre + reach + 0.5));
  const raw = Float64Array.from(
    { length: end - start },
    (_, i) => Math.max(0, 1 - Math.abs((start + i + 0.5 - centre) / reach)),
  );
  const total = raw.reduce((sum, weight) => sum + weight, 0);
  return { start, weights: raw.map((weight) => weight / total) };
}
