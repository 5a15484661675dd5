/** One image of bytes, [H, W, C] row-major. */
export interface ByteImage {
  readonly width: number;
  readonly height: number;
  /** 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. */
  readonly channels: number;
  readonly data: Uint8Array;
}

/** One image in its file's own depth, [H, W, C] row-major. */
export interface DeepImage extends Omit<ByteImage, "data"> {
  /** Levels of 16 bits, or of 8. */
  readonly data: Uint8Array | Uint16Array;
}

/** Rounds levels of 16 bits to 8. */
export function toBytes(image: DeepImage): ByteImage {
  const { data } = image;
  if (data instanceof Uint8Array) return { ...image, data };
  return { ...image, data: Uint8Array.from(data, (level) => Math.floor(level * 255 / 65_535 + 0.5)) };
}

/** Larger images are refused before memory is taken for them: a few bytes of header can declare 2^62 pixels. */
export const MAX_PIXELS = 100_000_000;
/**
 * Maximum width or height in pixels, as in JPEG. Decoders take time and memory for each row, besides those for its
 * pixels.
 */
export const MAX_SIDE = 65_535;
