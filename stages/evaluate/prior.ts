import { priorKlBitsPerDim } from "../../diffusion/schedule/prior.ts";
import type { DiffusionTables } from "../../diffusion/schedule/tables.ts";
import type { StoredImages } from "../../artifacts/images.ts";
import { bytesToUnit } from "../shared/pixel_values.ts";

/** L_T of each of the first `count` images, in bits per dimension: float64 [count]. */
export function imagePriors({ pixels, shape }: StoredImages, tables: DiffusionTables, count: number): Float64Array {
  const [, height, width, channels] = shape;
  const size = height * width * channels;
  const x0 = new Float32Array(size);
  return Float64Array.from({ length: count }, (_, image) => {
    bytesToUnit(pixels.subarray(image * size, (image + 1) * size), x0);
    return priorKlBitsPerDim(tables, x0.reduce((sum, value) => sum + value ** 2, 0) / size);
  });
}
