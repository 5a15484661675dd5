import { quantile } from "./spread.ts";

/** Points, [count, dimension] row-major. */
interface Points {
  readonly data: Float32Array | Float64Array;
  readonly count: number;
  readonly dimension: number;
}

/** Distances, in float64, between two sets of points or short vectors. */

/** Sums a function of the squared Euclidean distance over all pairs of a point of `a` and one of `b`. */
function sumOverPairs(a: Points, b: Points, of: (square: number) => number): number {
  const { dimension } = a;
  let sum = 0;
  for (let i = 0; i < a.count; i++) {
    // A sum for each row loses fewer digits than one over all pairs.
    let row = 0;
    for (let j = 0; j < b.count; j++) {
      let square = 0;
      for (let d = 0; d < dimension; d++) square += (a.data[i * dimension + d]! - b.data[j * dimension + d]!) ** 2;
      row += of(square);
    }
    sum += row;
  }
  return sum;
}

/**
 * Energy distance (Szekely & Rizzo 2013): 2 E|X - Y| - E|X - X'| - E|Y - Y'|, each a mean over all pairs, a point with
 * itself included, so that the distance is never negative and that of a set to itself is 0.
 */
export function energyDistance(a: Points, b: Points): number {
  const mean = (one: Points, other: Points) => sumOverPairs(one, other, Math.sqrt) / (one.count * other.count);
  return 2 * mean(a, b) - mean(a, a) - mean(b, b);
}

/**
 * Squared maximum mean discrepancy (Gretton et al. 2012, eq. 3, the unbiased estimator, which may be negative) with the
 * kernel exp(-|x - y|^2 / (2 bandwidth^2)).
 */
export function gaussianDiscrepancy(a: Points, b: Points, bandwidth: number): number {
  const kernel = (square: number) => Math.exp(-square / (2 * bandwidth ** 2));
  // The kernel of a point with itself is 1.
  const within = (one: Points) => (sumOverPairs(one, one, kernel) - one.count) / (one.count * (one.count - 1));
  return within(a) + within(b) - 2 * sumOverPairs(a, b, kernel) / (a.count * b.count);
}

/** Returns the median Euclidean distance between two different points, of an even number the mean of the middle two. */
export function medianDistance(points: Points): number {
  const all: number[] = [];
  sumOverPairs(points, points, (square) => all.push(Math.sqrt(square)));
  // The zeros in front are those of each point with itself; every other pair is there twice, which moves no median.
  return quantile(Float64Array.from(all).sort().subarray(points.count), 0.5);
}

/**
 * Sliced Wasserstein distance of order 2 (Bonneel et al. 2015): the root of the mean, over directions, of the squared
 * distance between the sets' projections.
 * @param directions vectors of any length, [n, dimension]
 */
export function slicedWasserstein(a: Points, b: Points, directions: ArrayLike<number>): number {
  const { dimension } = a;
  let sum = 0;
  for (let first = 0; first < directions.length; first += dimension) {
    const project = (data: ArrayLike<number>, from: number) => {
      let dot = 0;
      for (let d = 0; d < dimension; d++) dot += data[from + d]! * directions[first + d]!;
      return dot;
    };
    const [x, y] = [a, b].map(({ data, count }) =>
      Float64Array.from({ length: count }, (_, i) => project(data, i * dimension)).sort()
    );
    sum += squaredTransport(x!, y!) / project(directions, first);
  }
  return Math.sqrt(sum / (directions.length / dimension));
}

/** Returns the mean squared difference of two sorted sets' quantiles; the sets may differ in number. */
function squaredTransport(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  // Shares of 1 / (x.length y.length) are whole numbers, which add up without error.
  for (let from = 0, to = 0; from < x.length * y.length; from = to) {
    const [i, j] = [Math.floor(from / y.length), Math.floor(from / x.length)];
    to = Math.min((i + 1) * y.length, (j + 1) * x.length);
    sum += (to - from) * (x[i]! - y[j]!) ** 2;
  }
  return sum / (x.length * y.length);
}
