import type { ByteImage } from "./byte_image.ts";

/** Each pixel becomes a square, the least that makes an image this high. */
const LEGIBLE_HEIGHT = 32;
/** Pixels of background around and between the images. */
const MARGIN = 2;
const WHITE = 255;

/**
 * Lay out images as one picture, row by row; places left over in the last row are background.
 *
 * @param images uint8 [H, W, C] row-major each
 * @param options.columns images in a row; default: the smallest square that holds them all
 */
export function imageGrid(
  images: readonly Uint8Array[],
  { height, width, channels, columns = Math.ceil(Math.sqrt(images.length)) }: Omit<ByteImage, "data"> & {
    readonly columns?: number;
  },
): ByteImage {
  const scale = Math.ceil(LEGIBLE_HEIGHT / height);
  const rows = Math.ceil(images.length / columns);
  const gridWidth = MARGIN + columns * (width * scale + MARGIN);
  const gridHeight = MARGIN + rows * (height * scale + MARGIN);
  const data = new Uint8Array(gridHeight * gridWidth * channels).fill(WHITE);
  images.forEach((image, place) => {
    const top = MARGIN + Math.floor(place / columns) * (height * scale + MARGIN);
    const left = MARGIN + (place % columns) * (width * scale + MARGIN);
    for (let y = 0; y < height * scale; y++) {
      for (let x = 0; x < width * scale; x++) {
        const source = (Math.floor(y / scale) * width + Math.floor(x / scale)) * channels;
        data.set(image.subarray(source, source + channels), ((top + y) * gridWidth + left + x) * channels);
      }
    }
  });
  return { width: gridWidth, height: gridHeight, channels, data };
}
