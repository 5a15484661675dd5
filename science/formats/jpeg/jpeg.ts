import type { ByteImage } from "../byte_image.ts";
import { readOrientation, turnUpright } from "./exif_orientation.ts";
import { readSegments } from "./segments.ts";
import { decompress } from "./turbo.ts";

export { isJpeg } from "./segments.ts";

/**
 * Decodes a JPEG, baseline or progressive, to RGB, upright as its EXIF orientation says. Grey becomes RGB with three
 * equal channels; CMYK is converted without a colour profile.
 *
 * @throws FormatError when the file is not a JPEG, is damaged, cut off or too large
 */
export function decodeJpeg(bytes: Uint8Array): ByteImage {
  const { width, height, components, exif } = readSegments(bytes);
  const data = components === 4
    ? toRgb(decompress(bytes, { width, height, channels: 4 }))
    : decompress(bytes, { width, height, channels: 3 });
  return turnUpright({ width, height, channels: 3, data }, readOrientation(exif));
}

/**
 * Converts CMYK as Pillow does: the inks are stored inverted, as Adobe stores them, so that the light of a channel is c
 * * k.
 */
function toRgb(inks: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(inks.length / 4 * 3);
  for (let at = 0; at < inks.length / 4; at++) {
    const light = inks[4 * at + 3]!;
    for (let channel = 0; channel < 3; channel++) {
      const product = (255 - inks[4 * at + channel]!) * light + 128;
      rgb[3 * at + channel] = light - ((product >> 8) + product >> 8);
    }
  }
  return rgb;
}
