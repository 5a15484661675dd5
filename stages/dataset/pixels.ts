import type { ByteImage } from "../../formats/byte_image.ts";
import { resample, resizeImages, type Shares } from "../../pictures/resize.ts";

const WHITE = 255;

/**
 * Puts an image on white, grey or RGB: out = (alpha * image + (255 - alpha) * 255) / 255, rounded half up. Colours
 * become grey by their luma, (299 R + 587 G + 114 B) / 1000 (ITU-R BT.601).
 *
 * @param image 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha
 * @param channels channels of the result: 1 or 3
 */
export function flatten(image: ByteImage, channels: 1 | 3): ByteImage {
  const { width, height, channels: had, data } = image;
  if (had === channels) return image;
  const pixels = width * height;
  const grey = had <= 2;
  const out = new Uint8Array(pixels * channels);
  for (let at = 0; at < pixels; at++) {
    const from = at * had;
    const alpha = had === 2 || had === 4 ? data[from + had - 1]! : 255;
    const over = (channel: number) => {
      const level = data[from + (grey ? 0 : channel)]!;
      return Math.floor((2 * (alpha * level + (255 - alpha) * WHITE) + 255) / 510);
    };
    // Grey levels do not change.
    if (channels === 1) out[at] = Math.floor((299 * over(0) + 587 * over(1) + 114 * over(2) + 500) / 1000);
    else for (let channel = 0; channel < 3; channel++) out[at * 3 + channel] = over(channel);
  }
  return { width, height, channels, data: out };
}

/** Cuts a square out of an image. */
export function crop(image: ByteImage, { left, top, side }: { left: number; top: number; side: number }): ByteImage {
  const { width, channels, data } = image;
  const out = new Uint8Array(side * side * channels);
  for (let y = 0; y < side; y++) {
    const start = ((top + y) * width + left) * channels;
    out.set(data.subarray(start, start + side * channels), y * side * channels);
  }
  return { width: side, height: side, channels, data: out };
}

/** Cuts the largest square out of the middle of an image; if there are two middles, the upper or left one. */
export function cropSquare(image: ByteImage): ByteImage {
  const { width, height } = image;
  if (width === height) return image;
  const side = Math.min(width, height);
  return crop(image, { left: Math.floor((width - side) / 2), top: Math.floor((height - side) / 2), side });
}

/**
 * Resizes a square image with a triangle filter that widens with the scale, so that smaller images do not alias:
 * Pillow's `resize` with BILINEAR, except for its rounding between the two axes. Rounded half up.
 */
export function resizeSquare(image: ByteImage, side: number): ByteImage {
  const { width, channels } = image;
  if (width === side) return image;
  const levels = resizeImages({ count: 1, ...image }, side, { kernel: "bilinear", antialias: true });
  // Shares add up to 1 up to rounding, which must not carry 255 past the largest byte.
  const data = Uint8Array.from(levels, (level) => Math.min(255, Math.floor(level + 0.5)));
  return { width: side, height: side, channels, data };
}

export function resizeModeOf(from: number, to: number): "none" | "area" | "pad" {
  if (to === from) return "none";
  return to < from ? "area" : "pad";
}

/** Bytes of square grey images, [N, H, W] row-major. */
type GreyPixels = Uint8Array<ArrayBuffer>;

/** Resizes images: smaller by area average, rounded half up; larger by a border of zeros. */
export function resize(pixels: GreyPixels, from: number, side: number): GreyPixels {
  if (side === from) return pixels;
  return side < from ? shrink(pixels, from, side) : pad(pixels, from, side);
}

/** Shrinks images by area average. All shares, and therefore all sums, are integers. */
function shrink(pixels: GreyPixels, from: number, side: number): GreyPixels {
  const shares = Array.from({ length: side }, (_, j) => overlaps(j, from, side));
  const area = from * from;
  const out = new Uint8Array(pixels.length / area * side * side);
  // One image at a time: the sums take eight times the memory of the bytes.
  for (let image = 0; image < pixels.length / area; image++) {
    const data = pixels.subarray(image * area, (image + 1) * area);
    const own = { count: 1, height: from, width: from, channels: 1, data };
    const sums = resample(own, { down: shares, across: shares });
    out.set(sums.map((sum) => Math.floor((2 * sum + area) / (2 * area))), image * side * side);
  }
  return out;
}

/**
 * Returns the old pixels under new pixel j with the length of the overlap, in units of 1 / side: old pixel i spans [i
 * side, (i + 1) side) and new pixel j spans [j from, (j + 1) from), so that the lengths add up to `from`.
 */
function overlaps(j: number, from: number, side: number): Shares {
  const [begin, end] = [j * from, (j + 1) * from];
  const found: [number, number][] = [];
  for (let i = Math.floor(begin / side); i * side < end; i++) {
    found.push([i, Math.min((i + 1) * side, end) - Math.max(i * side, begin)]);
  }
  return found;
}

function pad(pixels: GreyPixels, from: number, side: number): GreyPixels {
  const count = pixels.length / (from * from);
  const border = Math.floor((side - from) / 2);
  const out = new Uint8Array(count * side * side);
  for (let image = 0; image < count; image++) {
    for (let y = 0; y < from; y++) {
      const start = (image * from + y) * from;
      out.set(pixels.subarray(start, start + from), (image * side + border + y) * side + border);
    }
  }
  return out;
}
