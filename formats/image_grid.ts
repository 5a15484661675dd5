import type { ByteImage } from "./byte_image.ts";

/** Each pixel becomes a square, the least that makes an image this high. */
const LEGIBLE_HEIGHT = 32;
/** Pixels of background around and between the images. */
const MARGIN = 2;
const WHITE = 255;

/**
 * Lay out images as one picture, row by row; places left over in the last row are background.
 *
 * @param images uint8 [N, H, W, C] row-major
 * @param shape [N, H, W, C]
 * @param options.columns images in a row; default: the smallest square that holds them all
 * @throws RangeError when the shape is not the data's or an option is out of range.
 */
export function imageGrid(
  images: Uint8Array,
  shape: readonly [number, number, number, number],
  { columns = Math.ceil(Math.sqrt(shape[0])) }: { readonly columns?: number } = {},
): ByteImage {
  const [count, height, width, channels] = shape;
  if (!shape.every((length) => Number.isInteger(length) && length >= 1)) {
    throw new RangeError(`Images of a grid: got shape [${shape}], wanted positive integers`);
  }
  if (images.length !== count * height * width * channels) {
    throw new RangeError(`Images of a grid: got ${images.length} bytes, wanted those of shape [${shape}]`);
  }
  if (!Number.isInteger(columns) || columns < 1) {
    throw new RangeError(`Grid columns: got ${columns}, wanted an integer >= 1`);
  }
  const scale = Math.ceil(LEGIBLE_HEIGHT / height);
  const rows = Math.ceil(count / columns);
  const gridWidth = MARGIN + columns * (width * scale + MARGIN);
  const gridHeight = MARGIN + rows * (height * scale + MARGIN);
  const data = new Uint8Array(gridHeight * gridWidth * channels).fill(WHITE);
  for (let image = 0; image < count; image++) {
    const top = MARGIN + Math.floor(image / columns) * (height * scale + MARGIN);
    const left = MARGIN + (image % columns) * (width * scale + MARGIN);
    for (let y = 0; y < height * scale; y++) {
      for (let x = 0; x < width * scale; x++) {
        const source = ((image * height + Math.floor(y / scale)) * width + Math.floor(x / scale)) * channels;
        data.set(images.subarray(source, source + channels), ((top + y) * gridWidth + left + x) * channels);
      }
    }
  }
  return { width: gridWidth, height: gridHeight, channels, data };
}
