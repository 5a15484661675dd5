import type { ImageValues } from "../pictures/resize.ts";

/** The window of Wang et al. 2004: a Gaussian of deviation 1.5 on 11 places, whose weights add up to 1. */
const [SIGMA, RADIUS] = [1.5, 5];
const WINDOW = (() => {
  const weights = Float64Array.from(
    { length: 2 * RADIUS + 1 },
    (_, i) => Math.exp(-((i - RADIUS) ** 2) / (2 * SIGMA ** 2)),
  );
  const sum = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / sum);
})();
/** The constants of Wang et al. 2004, as fractions of the data range. */
const [K1, K2] = [0.01, 0.03];

/** Sides of images must hold the window. */
export const LEAST_SSIM_SIDE = 2 * RADIUS + 1;

/**
 * Returns the peak signal-to-noise ratio of each image in dB, 10 log10(range^2 / mean squared difference); infinite for
 * equal images.
 *
 * @param a, b [N, …], row-major @param count N
 * @param range the largest possible difference of two numbers
 */
export function peakSignalToNoise(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  count: number,
  range: number,
): Float64Array {
  const size = a.length / count;
  return Float64Array.from({ length: count }, (_, image) => {
    let sum = 0;
    for (let i = image * size; i < (image + 1) * size; i++) sum += (a[i]! - b[i]!) ** 2;
    return 10 * Math.log10(range ** 2 / (sum / size));
  });
}

/**
 * Returns the structural similarity of each image (Wang et al. 2004, eq. 13): the mean over channels, and over all
 * places at which the window lies within the image. It is scikit-image's with Gaussian weights, sigma 1.5 and the
 * population's covariance.
 *
 * @param a, b [N, H, W, C], row-major
 * @param range the largest possible difference of two numbers @throws RangeError for sides below 11
 */
export function structuralSimilarity(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { count, height, width, channels }: Omit<ImageValues, "data">,
  range: number,
): Float64Array {
  if (Math.min(height, width) < LEAST_SSIM_SIDE) throw new RangeError(`SSIM of ${height}x${width}: wanted sides >= 11`);
  const [c1, c2] = [(K1 * range) ** 2, (K2 * range) ** 2];
  const pixels = height * width;
  const plane = (of: (i: number) => number, image: number, channel: number) =>
    blurred(
      Float64Array.from({ length: pixels }, (_, i) => of((image * pixels + i) * channels + channel)),
      height,
      width,
    );
  return Float64Array.from({ length: count }, (_, image) => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) {
      const [meanA, meanB, squareA, squareB, product] = [
        plane((i) => a[i]!, image, channel),
        plane((i) => b[i]!, image, channel),
        plane((i) => a[i]! ** 2, image, channel),
        plane((i) => b[i]! ** 2, image, channel),
        plane((i) => a[i]! * b[i]!, image, channel),
      ] as const;
      let ofChannel = 0;
      meanA.forEach((mean, i) => {
        const other = meanB[i]!;
        const [varianceA, varianceB] = [squareA[i]! - mean ** 2, squareB[i]! - other ** 2];
        const covariance = product[i]! - mean * other;
        ofChannel += (2 * mean * other + c1) * (2 * covariance + c2) /
          ((mean ** 2 + other ** 2 + c1) * (varianceA + varianceB + c2));
      });
      sum += ofChannel / meanA.length;
    }
    return sum / channels;
  });
}

/** Returns weighted means around each place at which the window fits, [H - 10, W - 10]. @param plane [H, W] */
function blurred(plane: Float64Array, height: number, width: number): Float64Array {
  return weighted(weighted(plane, width), height);
}

/** Returns weighted means along the rows [N, width], as columns: [width - 10, N]. */
function weighted(rows: Float64Array, width: number): Float64Array {
  const count = rows.length / width;
  return Float64Array.from({ length: (width - 2 * RADIUS) * count }, (_, at) => {
    const first = at % count * width + Math.floor(at / count);
    let sum = 0;
    for (let k = 0; k < WINDOW.length; k++) sum += WINDOW[k]! * rows[first + k]!;
    return sum;
  });
}
