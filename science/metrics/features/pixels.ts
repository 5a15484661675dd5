import { type ImageValues, resample, type Shares } from "../../pictures/resize.ts";

/**
 * Name to report with any distance over these features, which are pixels and not those of the FID's Inception network.
 */
export const PIXEL_FEATURES = "pixels";

const MAX_SIDE = 8;

type Affine = Readonly<Record<"scale" | "shift", readonly number[]>>;

const BYTES: Affine = { scale: [127.5], shift: [1] };

/** Returns the number of features per image that `pixelFeatures` computes for images of this size. */
export function pixelFeatureDimension({ height, width, channels }: Omit<ImageValues, "count" | "data">): number {
  return cellsOf(height).length * cellsOf(width).length * channels;
}

/**
 * Uses the pixels themselves as features: each image is average-pooled to at most 8 x 8 and flattened.
 *
 * A cell is the mean of a square of ceil(side / 8) pixels a side, less at the right and bottom edges where the square
 * runs out of the image: 28 x 28 becomes 7 x 7, and 8 x 8 or less is left as it is. The features are low-frequency by
 * design: they contain brightness, colour, position and coarse shape, and no fine texture.
 *
 * @param map from stored values to the features' units: the images' normaliser; default: that of bytes, x / 127.5 - 1
 * @returns [N, D] float32, for bytes in [-1, 1], D = `pixelFeatureDimension`
 */
export function pixelFeatures(images: ImageValues, { scale, shift }: Affine = BYTES): Float32Array<ArrayBuffer> {
  const [down, across] = [cellsOf(images.height), cellsOf(images.width)];
  const means = resample(images, { down, across }).map((sum, i) => {
    const cell = Math.floor(i / images.channels);
    const [row, column] = [Math.floor(cell / across.length) % down.length, cell % across.length];
    const channel = i % scale.length;
    return sum / (down[row]!.length * across[column]!.length) / scale[channel]! - shift[channel]!;
  });
  return new Float32Array(means);
}

/** Returns the pixels of each cell along a side, all with a share of 1. */
function cellsOf(side: number): Shares[] {
  const step = Math.ceil(side / MAX_SIDE);
  return Array.from(
    { length: Math.ceil(side / step) },
    (_, cell) => Array.from({ length: Math.min(step, side - cell * step) }, (_, i) => [cell * step + i, 1] as const),
  );
}
