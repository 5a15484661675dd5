/** One image of bytes, [H, W, C] row-major. */
export interface ByteImage {
  readonly width: number;
  readonly height: number;
  /** 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. */
  readonly channels: number;
  readonly data: Uint8Array;
}

/** Larger images are refused before memory is taken for them: a few bytes of header can declare 2^62 pixels. */
export const MAX_PIXELS = 100_000_000;
/**
 * Maximum width or height in pixels, as in JPEG. Decoders take time and memory for each row, besides those for its
 * pixels.
 */
export const MAX_SIDE = 65_535;
