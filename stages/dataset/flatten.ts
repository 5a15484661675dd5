import type { ByteImage } from "../../formats/byte_image.ts";

/** Red, green and blue, bytes. */
export type Colour = readonly [number, number, number];

export const WHITE: Colour = [255, 255, 255];

/**
 * An image on an opaque background, grey or RGB: out = (alpha * image + (255 - alpha) * background) / 255, rounded half
 * up. Colours become grey by their luma, (299 R + 587 G + 114 B) / 1000 (ITU-R BT.601).
 *
 * @param image 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha
 * @param channels of the result: 1 or 3
 */
export function flatten(image: ByteImage, channels: 1 | 3, background: Colour = WHITE): ByteImage {
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
      return Math.floor((2 * (alpha * level + (255 - alpha) * background[channel]!) + 255) / 510);
    };
    if (channels === 1) out[at] = luma(over(0), over(1), over(2));
    else for (let channel = 0; channel < 3; channel++) out[at * 3 + channel] = over(channel);
  }
  return { width, height, channels, data: out };
}

/** Grey levels stay what they are. */
function luma(red: number, green: number, blue: number): number {
  return Math.floor((299 * red + 587 * green + 114 * blue + 500) / 1000);
}
