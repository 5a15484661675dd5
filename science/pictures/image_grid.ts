import type { ByteImage } from "../formats/byte_image.ts";

/** Images that are lower are enlarged: each pixel becomes a square, the smallest that gives at least this height. */
const LEGIBLE_HEIGHT = 32;
/** Pixels of background around and between the images. */
const MARGIN = 2;
const WHITE = 255;

/** Layout of a grid: the number of columns, the size of each image, and the margin around each. */
export type GridCells = Readonly<Record<"columns" | "width" | "height" | "margin", number>>;

/**
 * Returns the layout of a grid of `count` images of one size.
 * @param columns default: the smallest square that holds all images
 */
export function gridCells(
  count: number,
  { height, width }: Pick<ByteImage, "height" | "width">,
  columns: number = Math.ceil(Math.sqrt(count)),
): GridCells {
  const scale = Math.ceil(LEGIBLE_HEIGHT / height);
  return { columns, width: width * scale, height: height * scale, margin: MARGIN };
}

/**
 * Lays out images as one picture, row by row; unused cells of the last row are background.
 *
 * @param images uint8 [H, W, C] row-major each
 * @param options.columns number of images in a row; default: the smallest square that holds all images
 */
export function imageGrid(
  images: readonly Uint8Array[],
  { height, width, channels, columns: wanted }: Omit<ByteImage, "data"> & { readonly columns?: number },
): ByteImage {
  const { columns, width: cellWidth } = gridCells(images.length, { height, width }, wanted);
  const scale = cellWidth / width;
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
