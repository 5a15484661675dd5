import type { Float64Matrix, MatrixProducts } from "../tensor/matrix.ts";
import { type FeatureVectors, range } from "./vectors.ts";

/** Number of rows of distances in memory at once. */
const BLOCK = 1_000;

/**
 * Measures how well two sets cover each other, by balls around each vector that reach the vector's k-th nearest
 * neighbour in its set (arXiv 1904.06991, arXiv 2002.09797). Every result except density is a share of one of the sets.
 *
 * @param real, fake sets of the same dimension, each of more than k vectors
 * @param options.k number of neighbours; 3 in the first paper, 5 in the second
 */
export async function manifoldFigures(
  real: FeatureVectors,
  fake: FeatureVectors,
  { k, products, onBlock = () => {} }: {
    readonly k: number;
    readonly products: MatrixProducts;
    /** Called with the share of the work that is done. */
    readonly onBlock?: (share: number) => void;
  },
) {
  const realRadii = await radii(real, k, products, (share) => onBlock(share / 3));
  const fakeRadii = await radii(fake, k, products, (share) => onBlock((1 + share) / 3));

  const fakeInside = new Uint8Array(fake.count);
  const realInside = new Uint8Array(real.count);
  const covered = new Uint8Array(real.count);
  let balls = 0;
  await eachBlock(real, fake, products, (first, squares) => {
    for (let i = 0; i < squares.rows; i++) {
      const radius = realRadii[first + i]!;
      for (let j = 0; j < squares.columns; j++) {
        const square = squares.data[i * squares.columns + j]!;
        if (square <= radius) {
          balls++;
          fakeInside[j] = 1;
          covered[first + i] = 1;
        }
        if (square <= fakeRadii[j]!) realInside[first + i] = 1;
      }
    }
    onBlock((2 + (first + squares.rows) / real.count) / 3);
  });
  const share = (marks: Uint8Array) => marks.reduce((sum, mark) => sum + mark, 0) / marks.length;
  return {
    /** Share of the fakes within the ball of a real vector: improved precision of Kynkäänniemi et al. 2019. */
    precision: share(fakeInside),
    /** Share of the real vectors within the ball of a fake: improved recall of Kynkäänniemi et al. 2019. */
    recall: share(realInside),
    /**
     * Mean number over the fakes of balls of real vectors that hold the fake, over k: Naeem et al. 2020. Can be above
     * 1. A fake on the surface of a ball counts as inside, here and in the other results, as in Kynkäänniemi et al.;
     * the code of Naeem et al. leaves it out.
     */
    density: balls / (k * fake.count),
    /** Share of the real vectors with a fake within their ball: Naeem et al. 2020. */
    coverage: share(covered),
  };
}

/** Computes the squared distance of each vector to its k-th nearest neighbour in the set. */
async function radii(set: FeatureVectors, k: number, products: MatrixProducts, onBlock: (share: number) => void) {
  const found = new Float64Array(set.count);
  await eachBlock(set, set, products, (first, squares) => {
    for (let i = 0; i < squares.rows; i++) {
      const row = squares.data.subarray(i * squares.columns, (i + 1) * squares.columns);
      // Each vector is its own nearest, at a distance that rounding may have made larger than zero.
      row[first + i] = -1;
      found[first + i] = smallest(row, k + 1);
    }
    onBlock((first + squares.rows) / set.count);
  });
  return found;
}

/** Returns the n-th smallest of some numbers. */
function smallest(values: Float64Array, n: number): number {
  const least = new Float64Array(n).fill(Infinity);
  for (const value of values) {
    if (value >= least[n - 1]!) continue;
    let place = n - 1;
    for (; place > 0 && least[place - 1]! > value; place--) least[place] = least[place - 1]!;
    least[place] = value;
  }
  return least[n - 1]!;
}

/** Visits the squared distances of each block of `a` to all of `b`, block by block. */
async function eachBlock(
  a: FeatureVectors,
  b: FeatureVectors,
  products: MatrixProducts,
  visit: (first: number, squares: Float64Matrix) => void,
): Promise<void> {
  const all = await widen(b, 0, b.count);
  const norms = squaredNorms(all);
  for (let first = 0; first < a.count; first += BLOCK) {
    const block = await widen(a, first, Math.min(BLOCK, a.count - first));
    const own = squaredNorms(block);
    const squares = await products.multiply(block, all, { transposeB: true });
    for (let i = 0; i < squares.rows; i++) {
      for (let j = 0; j < squares.columns; j++) {
        const at = i * squares.columns + j;
        squares.data[at] = Math.max(0, own[i]! + norms[j]! - 2 * squares.data[at]!);
      }
    }
    visit(first, squares);
  }
}

async function widen(vectors: FeatureVectors, first: number, count: number): Promise<Float64Matrix> {
  const data = new Float64Array(await vectors.rows(range(first, count)));
  return { rows: count, columns: vectors.dimension, data };
}

function squaredNorms({ rows, columns, data }: Float64Matrix): Float64Array {
  return Float64Array.from({ length: rows }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += data[i * columns + j]! ** 2;
    return sum;
  });
}
