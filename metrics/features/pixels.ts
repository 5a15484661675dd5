/** Name to report with any distance over these features: it is pixels, not the Inception network of the FID. */
export const PIXEL_FEATURES = "pixels";

const MAX_SIDE = 8;

/** Images as bytes, [N, H, W, C] row-major. */
export interface ByteImages {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

/** Numbers per image that `pixelFeatures` makes of images of this size. */
export function pixelFeatureDimension({ height, width, channels }: Omit<ByteImages, "count" | "data">): number {
  return pooledSide(height) * pooledSide(width) * channels;
}

/**
 * The pixels themselves as features: each image is average-pooled to at most 8 x 8 and flattened.
 *
 * A cell is the mean of a square of ceil(side / 8) pixels a side, less at the right and bottom edges where the square
 * runs out of the image: 28 x 28 becomes 7 x 7, and 8 x 8 or less is left as it is. Low-frequency by design: it sees
 * brightness, colour, position and coarse shape, and no fine texture.
 *
 * @returns [N, D] float32 in [-1, 1], bytes mapped by x / 127.5 - 1, D = `pixelFeatureDimension`
 */
export function pixelFeatures({ count, height, width, channels, data }: ByteImages): Float32Array<ArrayBuffer> {
  const rows = pooledSide(height);
  const columns = pooledSide(width);
  const stepY = Math.ceil(height / MAX_SIDE);
  const stepX = Math.ceil(width / MAX_SIDE);
  const features = new Float32Array(count * rows * columns * channels);

  let next = 0;
  for (let image = 0; image < count; image++) {
    for (let row = 0; row < rows; row++) {
      const bottom = Math.min((row + 1) * stepY, height);
      for (let column = 0; column < columns; column++) {
        const right = Math.min((column + 1) * stepX, width);
        const pixels = (bottom - row * stepY) * (right - column * stepX);
        for (let channel = 0; channel < channels; channel++) {
          let sum = 0;
          for (let y = row * stepY; y < bottom; y++) {
            for (let x = column * stepX; x < right; x++) {
              sum += data[((image * height + y) * width + x) * channels + channel]!;
            }
          }
          features[next++] = sum / pixels / 127.5 - 1;
        }
      }
    }
  }
  return features;
}

function pooledSide(side: number): number {
  return Math.ceil(side / Math.ceil(side / MAX_SIDE));
}
