import { dtypeOf, LARGEST } from "../../science/diffusion/normalizer.ts";
import type { DeepImage } from "../../science/formats/byte_image.ts";
import { resample, type Shares } from "../../science/pictures/resize.ts";

/** Returns the largest level of an image. */
export function mostOf({ data }: DeepImage): number {
  return LARGEST[dtypeOf(data)]!;
}

/** True if any pixel lets something behind the image through. */
export function isTransparent(image: DeepImage): boolean {
  const { channels, data } = image;
  const most = mostOf(image);
  return channels % 2 === 0 && data.some((value, i) => i % channels === channels - 1 && value !== most);
}

/** Makes an image with other pixels of the same depth. */
function withPixels<I extends DeepImage>(image: I, form: Pick<DeepImage, "width" | "height" | "channels">): I {
  const data = new (image.data instanceof Uint16Array ? Uint16Array : Uint8Array)(
    form.width * form.height * form.channels,
  );
  return { ...image, ...form, data };
}

/**
 * Gives an image other channels. Colours become grey by their luma, (299 R + 587 G + 114 B) / 1000 (ITU-R BT.601);
 * grey becomes three equal colours. Without alpha in the result, an image is put on white: out = (alpha * level + (most
 * - alpha) * most) / most, rounded half up. With it, an image that has none is opaque.
 *
 * @param image 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; and so are `channels` of the result
 */
export function flatten<I extends DeepImage>(image: I, channels: number): I {
  const { width, height, channels: had, data } = image;
  if (had === channels) return image;
  const most = mostOf(image);
  const [isGrey, hadAlpha, keepsAlpha] = [had <= 2, had % 2 === 0, channels % 2 === 0];
  const colours = channels <= 2 ? 1 : 3;
  const out = withPixels(image, { width, height, channels });
  for (let at = 0; at < width * height; at++) {
    const from = at * had;
    const alpha = hadAlpha ? data[from + had - 1]! : most;
    const over = (channel: number) => {
      const level = data[from + (isGrey ? 0 : channel)]!;
      return keepsAlpha ? level : Math.floor((2 * (alpha * level + (most - alpha) * most) + most) / (2 * most));
    };
    // Grey levels do not change.
    if (colours === 1) {
      out.data[at * channels] = Math.floor((299 * over(0) + 587 * over(1) + 114 * over(2) + 500) / 1000);
    } else for (let channel = 0; channel < 3; channel++) out.data[at * channels + channel] = over(channel);
    if (keepsAlpha) out.data[at * channels + colours] = alpha;
  }
  return out;
}

/** A rectangle in pixels. */
interface Place {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Cuts a rectangle out of an image. What lies outside of the image is zeros. */
export function crop<I extends DeepImage>(image: I, { left, top, width, height }: Place): I {
  const { width: row, channels, data } = image;
  const out = withPixels(image, { width, height, channels });
  const [from, to] = [Math.max(0, left), Math.min(row, left + width)];
  for (let y = Math.max(0, -top); y < height && top + y < image.height; y++) {
    const start = (top + y) * row * channels;
    out.data.set(data.subarray(start + from * channels, start + to * channels), (y * width + from - left) * channels);
  }
  return out;
}

/** Cuts a rectangle out of the middle of an image, or puts zeros around it; of two middles, the upper or left one. */
export function cropCentre<I extends DeepImage>(image: I, [height, width]: readonly [number, number]): I {
  if (width === image.width && height === image.height) return image;
  const middle = (have: number, want: number) => have < want ? -((want - have) >> 1) : (have - want) >> 1;
  return crop(image, { left: middle(image.width, width), top: middle(image.height, height), width, height });
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
  const shares = Array.from({ length: side }, (_, j) => overlaps(j, from, side));
  const area = from * from;
  const out = new Uint8Array(pixels.length / area * side * side);
  // One image at a time: the sums take eight times the memory of the bytes.
  for (let image = 0; image < pixels.length / area; image++) {
    const data = pixels.subarray(image * area, (image + 1) * area);
    const own = { count: 1, height: from, width: from, channels: 1, data };
    // All shares, and therefore all sums, are integers.
    const resized = side > from
      ? cropCentre(own, [side, side]).data
      : resample(own, { down: shares, across: shares }).map((sum) => Math.floor((2 * sum + area) / (2 * area)));
    out.set(resized, image * side * side);
  }
  return out;
}

/**
 * Returns the old pixels under new pixel j with the length of the overlap, in units of 1 / side: old pixel i spans [i
 * side, (i + 1) side) and new pixel j spans [j from, (j + 1) from), so that the lengths add up to `from`.
 */
export function overlaps(j: number, from: number, side: number): Shares {
  const [begin, end] = [j * from, (j + 1) * from];
  const found: [number, number][] = [];
  for (let i = Math.floor(begin / side); i * side < end; i++) {
    found.push([i, Math.min((i + 1) * side, end) - Math.max(i * side, begin)]);
  }
  return found;
}
