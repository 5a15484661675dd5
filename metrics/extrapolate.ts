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
