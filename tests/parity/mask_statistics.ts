import { assert } from "@std/assert";
import type { Device } from "../../science/tensor/device.ts";
import { keepMask } from "../../science/tensor/random/keep_mask.ts";

const IMAGES = 64;
const SIZE = 4096;
const COUNT = IMAGES * SIZE;
const RATE = 0.1;
/** Variance of a mask that is 0 with probability r and 1 / (1 - r) otherwise: r / (1 - r). */
const VARIANCE = RATE / (1 - RATE);

/**
 * Width of the bands in standard errors on either side: a correct generator leaves a band for one in 6e-7 of the keys.
 */
const WIDTH = 5;

/**
 * Checks statistics of a device's dropout masks, for two sites of one step: mean 1, variance r / (1 - r), image means
 * that scatter like those of independent numbers, and no correlation between neighbours, images or sites.
 */
export async function checkMaskStatistics(device: Device): Promise<void> {
  const inputs = { key: { shape: [2], dtype: "int32" } } as const;
  const masks = await device.compile(
    ({ key }) => ({
      first: keepMask(key!, [IMAGES, SIZE], { site: 0, rate: RATE }),
      second: keepMask(key!, [IMAGES, SIZE], { site: 1, rate: RATE }),
    }),
    inputs,
    { label: "masks" },
  );
  const results = await masks.run({ key: Int32Array.of(20, 26) });
  await masks.dispose();
  const [first, second] = [results["first"]!, results["second"]!] as [Float32Array, Float32Array];

  const standardError = Math.sqrt(VARIANCE / COUNT);
  // The variance of a mask with two values is a function of its mean, whose slope at 1 is (1 - 2 r) / (1 - r).
  const slope = (1 - 2 * RATE) / (1 - RATE);
  for (const [name, mask] of [["site 0", first], ["site 1", second]] as const) {
    const mean = average(mask, (value) => value);
    assertWithin(mean, 1, WIDTH * standardError, `mean of ${name}`);
    const variance = average(mask, (value) => (value - mean) ** 2);
    assertWithin(variance, VARIANCE, WIDTH * standardError * slope, `variance of ${name}`);
    // Chi-square with one degree of freedom for each image: mean IMAGES, variance 2 IMAGES.
    const scatter = Array.from({ length: IMAGES }, (_, image) => {
      const part = mask.subarray(image * SIZE, (image + 1) * SIZE);
      return (average(part, (value) => value) - 1) ** 2 / (VARIANCE / SIZE);
    });
    const sum = scatter.reduce((total, term) => total + term);
    assertWithin(sum, IMAGES, WIDTH * Math.sqrt(2 * IMAGES), `scatter of the image means of ${name}`);
  }
  const pairs = [["neighbours", first, 1], ["images", first, SIZE], ["sites", second, 0]] as const;
  for (const [name, other, distance] of pairs) {
    const correlation = average(first.subarray(distance), (value, i) => (value - 1) * (other[i]! - 1)) / VARIANCE;
    assertWithin(correlation, 0, WIDTH / Math.sqrt(COUNT - distance), `correlation of ${name}`);
  }
}

function average(values: Float32Array, of: (value: number, index: number) => number): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += of(values[i]!, i);
  return sum / values.length;
}

function assertWithin(got: number, wanted: number, band: number, what: string): void {
  assert(Math.abs(got - wanted) <= band, `${what}: got ${got}, wanted ${wanted} within ${band}`);
}
