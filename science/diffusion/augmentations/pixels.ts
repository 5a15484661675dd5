import type { AugmentationInputs } from "../define.ts";

/** Images of augmentations: [H, W, C] row-major, with their size. */
export type Picture = Omit<AugmentationInputs, "random">;

/** Returns the index in [0, length) where an index lies once the edges mirror, without repeating the edge itself. */
export function reflected(index: number, length: number): number {
  const period = Math.max(1, 2 * length - 2);
  return length - 1 - Math.abs(length - 1 - (index % period + period) % period);
}

/**
 * Returns an image of another size, pixel by pixel from the positions in this one; positions may be fractions, and
 * beyond the edges are zeros.
 */
export function resampled(
  { image, height, width, channels }: Picture,
  size: { readonly height: number; readonly width: number },
  /** Where an output pixel is read, as [x, y]; the pixel at [0, 0] is the first. */
  from: (x: number, y: number) => readonly [number, number],
): Picture {
  const out = new Float32Array(size.height * size.width * channels);
  const add = (to: number, row: number, column: number, weight: number) => {
    if (weight === 0 || row < 0 || column < 0 || row >= height || column >= width) return;
    for (let i = 0; i < channels; i++) out[to + i]! += weight * image[(row * width + column) * channels + i]!;
  };
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const [atX, atY] = from(x, y);
      const [left, top, to] = [Math.floor(atX), Math.floor(atY), (y * size.width + x) * channels];
      const [fx, fy] = [atX - left, atY - top];
      add(to, top, left, (1 - fx) * (1 - fy));
      add(to, top, left + 1, fx * (1 - fy));
      add(to, top + 1, left, (1 - fx) * fy);
      add(to, top + 1, left + 1, fx * fy);
    }
  }
  return { image: out, height: size.height, width: size.width, channels };
}

/** Returns an image mirrored left to right, upside down, or both. */
export function flipped(
  picture: Picture,
  { mirrored = false, upset = false }: { readonly mirrored?: boolean; readonly upset?: boolean },
): Float32Array<ArrayBuffer> {
  const { height, width } = picture;
  return resampled(picture, picture, (x, y) => [mirrored ? width - 1 - x : x, upset ? height - 1 - y : y]).image;
}
