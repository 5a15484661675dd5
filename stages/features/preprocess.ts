import { resizeImages } from "../../metrics/features/resize.ts";
import type { Preprocessing } from "./params.ts";

interface Size {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

export interface Prepared {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** Extractors of colour images take grey ones as three equal channels. */
const COLOURS = 3;

/** Bytes of images as an extractor takes them. @param bytes [B, H, W, C] */
export function preprocess(bytes: Uint8Array, { height, width, channels }: Size, options: Preprocessing): Prepared {
  const { size, range: [low, high], mean, deviation, layout } = options;
  const count = bytes.length / (height * width * channels);
  const resized = resizeImages({ count, height, width, channels, data: bytes }, size, options);
  const wide = Math.max(channels, COLOURS);
  const pixels = size * size;
  const data = new Float32Array(count * pixels * wide);
  for (let image = 0; image < count; image++) {
    for (let pixel = 0; pixel < pixels; pixel++) {
      for (let c = 0; c < wide; c++) {
        const byte = resized[(image * pixels + pixel) * channels + (channels === 1 ? 0 : c)]!;
        // A bicubic kernel reaches beyond the bytes at edges of the picture.
        const value = low + (high - low) * Math.min(255, Math.max(0, byte)) / 255;
        const at = layout === "nchw" ? (image * wide + c) * pixels + pixel : (image * pixels + pixel) * wide + c;
        data[at] = (value - (mean?.[c] ?? 0)) / (deviation?.[c] ?? 1);
      }
    }
  }
  return { data, shape: layout === "nchw" ? [count, wide, size, size] : [count, size, size, wide] };
}
