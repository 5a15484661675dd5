import type { ByteImage } from "./byte_image.ts";

export interface GridOptions {
  /** Images in a row; default: the smallest square that holds them all. */
  readonly columns?: number;
  /** Pixels of background around and between the images, after scaling. Default 2. */
  readonly margin?: number;
  /** Each pixel becomes a square of this many a side. Default: the least that makes an image 32 pixels high. */
  readonly scale?: number;
  /** Value of the background in every channel, 0 to 255. Default 255, white. */
  readonly background?: number;
}

const LEGIBLE_HEIGHT = 32;

/**
 * Lay out images as one picture, row by row; places left over in the last row are background.
 *
 * @param images uint8 [N, H, W, C] row-major
 * @param shape [N, H, W, C]
 * @throws RangeError when the shape is not the data's or an option is out of range.
 */
export function imageGrid(
  images: Uint8Array,
  shape: readonly [number, number, number, number],
  options: GridOptions = {},
): ByteImage {
  const [count, height, width, channels] = shape;
  if (!shape.every((length) => Number.isInteger(length) && length >= 1)) {
    throw new RangeError(`Images of a grid: got shape [${shape}], wanted positive integers`);
  }
  if (images.length !== count * height * width * channels) {
    throw new RangeError(`Images of a grid: got ${images.length} bytes, wanted those of shape [${shape}]`);
  }
  const columns = checked("columns", options.columns ?? Math.ceil(Math.sqrt(count)), 1);
  const margin = checked("margin", options.margin ?? 2, 0);
  const scale = checked("scale", options.scale ?? Math.ceil(LEGIBLE_HEIGHT / height), 1);
  const background = checked("background", options.background ?? 255, 0, 255);

  const rows = Math.ceil(count / columns);
  const gridWidth = margin + columns * (width * scale + margin);
  const gridHeight = margin + rows * (height * scale + margin);
  const data = new Uint8Array(gridHeight * gridWidth * channels).fill(background);
  for (let image = 0; image < count; image++) {
    const top = margin + Math.floor(image / columns) * (height * scale + margin);
    const left = margin + (image % columns) * (width * scale + margin);
    for (let y = 0; y < height * scale; y++) {
      for (let x = 0; x < width * scale; x++) {
        const source = ((image * height + Math.floor(y / scale)) * width + Math.floor(x / scale)) * channels;
        data.set(images.subarray(source, source + channels), ((top + y) * gridWidth + left + x) * channels);
      }
    }
  }
  return { width: gridWidth, height: gridHeight, channels, data };
}

function checked(name: string, value: number, least: number, most = Infinity): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  const range = most === Infinity ? `>= ${least}` : `in [${least}, ${most}]`;
  throw new RangeError(`Grid ${name}: got ${value}, wanted an integer ${range}`);
}
