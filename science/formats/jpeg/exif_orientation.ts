import type { ByteImage } from "../byte_image.ts";

/**
 * EXIF tag of the orientation, from 1 to 8: where the first row and the first column of the stored image lie. 1 is
 * upright.
 */
const ORIENTATION_TAG = 0x0112;
const SHORT = 3;

/**
 * Returns the orientation that a JPEG declares; 1, upright, if it declares none or its EXIF segment is damaged.
 *
 * @param exif the JPEG's EXIF segment, from after the name
 */
export function readOrientation(exif: Uint8Array): number {
  // The name is followed by a padding byte, and then by a TIFF file.
  const tiff = exif.subarray(1);
  if (tiff.length < 8) return 1;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const little = tiff[0] === 0x49;
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return 1;
  const entries = view.getUint16(directory, little);
  for (let entry = directory + 2; entry < directory + 2 + 12 * entries && entry + 12 <= tiff.length; entry += 12) {
    if (view.getUint16(entry, little) !== ORIENTATION_TAG || view.getUint16(entry + 2, little) !== SHORT) continue;
    const value = view.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** Turns an image upright. */
export function turnUpright(image: ByteImage, orientation: number): ByteImage {
  if (orientation === 1) return image;
  const { channels, data } = image;
  // True if rows are stored as columns; below, true if columns or rows are stored from their end.
  const turned = orientation >= 5;
  const [fromRight, fromBottom] = [[2, 3, 7, 8], [3, 4, 6, 7]].map((some) => some.includes(orientation));
  const width = turned ? image.height : image.width;
  const height = turned ? image.width : image.height;
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [column, row] = turned ? [y, x] : [x, y];
      const fromX = fromRight ? image.width - 1 - column : column;
      const fromY = fromBottom ? image.height - 1 - row : row;
      const from = (fromY * image.width + fromX) * channels;
      const to = (y * width + x) * channels;
      for (let channel = 0; channel < channels; channel++) out[to + channel] = data[from + channel]!;
    }
  }
  return { width, height, channels, data: out };
}
