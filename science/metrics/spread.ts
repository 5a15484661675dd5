/**
 * Computes the mean and the standard deviation of some numbers, over n: the deviation of these numbers, not an estimate
 * from a sample.
 */
export function meanAndDeviation(values: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) };
}

/**
 * Computes a quantile by linear interpolation, as numpy does: the median of an even number of values is the mean of the
 * middle two.
 */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)]!;
  return below + (at % 1) * (sorted[Math.ceil(at)]! - below);
}

/**
 * Estimates the standard deviation of a distance of two sets of images, from how much the distance differs between
 * parts of the sets that share no image (the m out of n bootstrap without replacement: Politis & Romano 1994; Bickel,
 * Götze & van Zwet 1997). Such parts are independent, so that the sample variance (n - 1) of the distances of two
 * halves is unbiased for half as many images, and that of four quarters for a quarter. Resampling with replacement
 * gives too large a deviation here: the copies make covariances more singular, and resampling noise adds to the noise
 * of the sets.
 *
 * From a quarter to a half to all images, the variance is modelled as a / N + b / N^2 (a rate that data decide:
 * Bertail, Politis & Romano 1999): 1 / N if the sets clearly differ, 1 / N^2 if they are alike and the distance has no
 * slope.
 *
 * @param shuffle returns the indices of both sets, shuffled differently for each time; at least 8 of each set
 */
export async function subsampledDeviation(
  shuffle: (time: number) => readonly Int32Array[],
  distance: (real: Int32Array, fake: Int32Array) => Promise<number>,
  { times, onTime }: { readonly times: number; readonly onTime: (done: number) => void },
): Promise<number> {
  const variance = async (sets: readonly Int32Array[], parts: number) => {
    const values: number[] = [];
    for (let i = 0; i < parts; i++) {
      // Indices are sorted, since reading in the order of the file is faster.
      const part = (set: Int32Array) => set.slice(i * set.length / parts, (i + 1) * set.length / parts).sort();
      values.push(await distance(part(sets[0]!), part(sets[1]!)));
    }
    return meanAndDeviation(values).deviation ** 2 * parts / (parts - 1);
  };
  let [half, quarter] = [0, 0];
  for (let time = 0; time < times; time++) {
    const sets = shuffle(time);
    half += await variance(sets, 2) / times;
    quarter += await variance(sets, 4) / times;
    onTime(time + 1);
  }
  return Math.sqrt(Math.min(half / 2, Math.max(half / 4, 3 / 4 * half - quarter / 8)));
}

/**
 * Fits a line y = intercept + slope x to points by least squares.
 *
 * @param points with at least two different x
 * @returns the line, and the standard error of the intercept, from residuals over n - 2; NaN for two points
 */
export function fitLine(points: readonly { readonly x: number; readonly y: number }[]) {
  const count = points.length;
  const [meanX, meanY] = [0, 0].map((_, axis) => points.reduce((sum, { x, y }) => sum + [x, y][axis]!, 0) / count);
  const spread = points.reduce((sum, { x }) => sum + (x - meanX!) ** 2, 0);
  const slope = points.reduce((sum, { x, y }) => sum + (x - meanX!) * (y - meanY!), 0) / spread;
  const intercept = meanY! - slope * meanX!;
  const residual = points.reduce((sum, { x, y }) => sum + (y - intercept - slope * x) ** 2, 0) / (count - 2);
  return { intercept, slope, interceptError: Math.sqrt(residual * (1 / count + meanX! ** 2 / spread)) };
}

const POINTS = 10;

/**
 * Returns the numbers of images at which to compute a distance that is then extrapolated to infinitely many images:
 * equal steps of 1/N, starting at a tenth of `count` (Chong & Forsyth 2020, arXiv 1911.07023: the bias of a Frechet
 * distance is linear in 1/N).
 *
 * @param least lower bound of the numbers, so that covariances have their rank
 */
export function extrapolationCounts(count: number, least: number): number[] {
  const from = Math.max(least, Math.ceil(count / 10));
  const inverse = (i: number) => 1 / from + (1 / count - 1 / from) * i / (POINTS - 1);
  return [...new Set(Array.from({ length: POINTS }, (_, i) => Math.round(1 / inverse(i))))];
}
