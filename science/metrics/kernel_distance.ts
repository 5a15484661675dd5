import type { Float64Matrix, MatrixProducts } from "../tensor/matrix.ts";
import { meanAndDeviation } from "./spread.ts";
import { type FeatureVectors, range } from "./vectors.ts";

/**
 * Computes the squared maximum mean discrepancy of two sets with the cubic kernel (x·y / d + 1)³, unbiased, so that it
 * can be negative: the kernel inception distance of Binkowski et al. 2018 (arXiv 1801.01401), which torch-fidelity
 * computes.
 *
 * @param x, y at least two vectors each, [n, d]
 */
export async function kernelDistance(x: Float64Matrix, y: Float64Matrix, products: MatrixProducts): Promise<number> {
  const within = async (set: Float64Matrix) => await sumWithin(set, products) / (set.rows * (set.rows - 1) / 2);
  const across = await sumAcross(x, y, products) / (x.rows * y.rows);
  return await within(x) + await within(y) - 2 * across;
}

/** Number of rows that are multiplied at once where only half of the products is needed. */
const PANEL = 128;

/** @param product dot product of two vectors of this dimension */
export function cubicKernel(product: number, dimension: number): number {
  const base = product / dimension + 1;
  return base * base * base;
}

async function sumAcross(x: Float64Matrix, y: Float64Matrix, products: MatrixProducts): Promise<number> {
  const { rows, columns, data } = await products.multiply(x, y, { transposeB: true });
  let total = 0;
  for (let i = 0; i < rows; i++) {
    // Summed by row, so that a sum of a million terms does not lose digits of the later ones.
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += cubicKernel(data[i * columns + j]!, x.columns);
    total += sum;
  }
  return total;
}

/** Sums the kernel over pairs of different vectors, each pair once: panels of rows times the rows from the panel on. */
async function sumWithin({ rows, columns, data }: Float64Matrix, products: MatrixProducts): Promise<number> {
  let total = 0;
  for (let first = 0; first < rows; first += PANEL) {
    const rest = { rows: rows - first, columns, data: data.subarray(first * columns) };
    const count = Math.min(PANEL, rest.rows);
    const panel = { rows: count, columns, data: rest.data.subarray(0, count * columns) };
    const { data: values } = await products.multiply(panel, rest, { transposeB: true });
    for (let i = 0; i < count; i++) {
      let sum = 0;
      for (let j = i + 1; j < rest.rows; j++) sum += cubicKernel(values[i * rest.rows + j]!, columns);
      total += sum;
    }
  }
  return total;
}

/** One set, and the vectors of it that are in each subset. */
export interface Chosen {
  readonly vectors: FeatureVectors;
  /** Indices without repetition. The other set has as many subsets, and all subsets have one size. */
  readonly subsets: readonly Int32Array[];
}

/**
 * Computes the mean and standard deviation (over subsets, n, as torch-fidelity gives it) of the kernel distance of
 * random subsets.
 *
 * Subsets of small sets overlap, so that computing the kernel of all pairs once costs less than computing the kernels
 * of each subset: a hundred subsets of 1,000 hold as many pairs as two sets of 8,000. The method with fewer pairs is
 * used; the two methods differ in rounding alone.
 */
export async function kernelDistanceOfSubsets(
  x: Chosen,
  y: Chosen,
  products: MatrixProducts,
  onProgress: (share: number) => void = () => {},
): Promise<{ readonly mean: number; readonly deviation: number }> {
  const [real, fake, size] = [x.vectors.count, y.vectors.count, x.subsets[0]!.length];
  const pairs = pairsWithin(real) + pairsWithin(fake) + real * fake;
  const ofSubsets = x.subsets.length * (2 * pairsWithin(size) + size ** 2);
  const values = await (pairs < ofSubsets ? distancesFromAllPairs : distancesOneByOne)(x, y, products, onProgress);
  return meanAndDeviation(values);
}

function pairsWithin(count: number): number {
  return count * (count - 1) / 2;
}

async function readRows(vectors: FeatureVectors, indices: Int32Array, data: Float64Array): Promise<Float64Matrix> {
  data.set(await vectors.rows(indices));
  return { rows: indices.length, columns: vectors.dimension, data };
}

type Sums = (a: Chosen, b: Chosen, products: MatrixProducts, onProgress: (share: number) => void) => Promise<number[]>;

const distancesOneByOne: Sums = async (x, y, products, onProgress) => {
  const values: number[] = [];
  // The buffers are reused for every subset: touching new memory of this size costs as much as a tenth of the products.
  const [forReal, forFake] = [x, y].map(({ vectors, subsets }) => {
    return new Float64Array(subsets[0]!.length * vectors.dimension);
  });
  for (const [subset, indices] of x.subsets.entries()) {
    const real = await readRows(x.vectors, indices, forReal!);
    const fake = await readRows(y.vectors, y.subsets[subset]!, forFake!);
    values.push(await kernelDistance(real, fake, products));
    onProgress(values.length / x.subsets.length);
  }
  return values;
};

/** Number of vectors per tile. Memory holds two tiles and the kernels of their pairs at a time. */
const TILE = 1_024;

interface Tile {
  readonly vectors: Float64Matrix;
  /** 1 where a subset (row) holds a vector (column). */
  readonly members: Float64Matrix;
}

async function readTile({ vectors, subsets }: Chosen, first: number): Promise<Tile> {
  const rows = Math.min(TILE, vectors.count - first);
  const members = new Float64Array(subsets.length * rows);
  for (const [subset, indices] of subsets.entries()) {
    for (const index of indices) if (index >= first && index < first + rows) members[subset * rows + index - first] = 1;
  }
  return {
    vectors: await readRows(vectors, range(first, rows), new Float64Array(rows * vectors.dimension)),
    members: { rows: subsets.length, columns: rows, data: members },
  };
}

const distancesFromAllPairs: Sums = async (x, y, products, onProgress) => {
  const size = x.subsets[0]!.length;
  const withinReal = await sumsOfPairs(x, x, products, (share) => onProgress(share / 4));
  const withinFake = await sumsOfPairs(y, y, products, (share) => onProgress((1 + share) / 4));
  const across = await sumsOfPairs(x, y, products, (share) => onProgress((1 + share) / 2));
  return withinReal.map((sum, subset) => {
    return (sum + withinFake[subset]!) / pairsWithin(size) - 2 * across[subset]! / size ** 2;
  });
};

/**
 * For each subset, sums the kernel over its pairs, each once: pairs of vectors of two sets, or of different vectors of
 * one set.
 */
const sumsOfPairs: Sums = async (a, b, products, onProgress) => {
  const sums = a.subsets.map(() => 0);
  for (let first = 0; first < a.vectors.count; first += TILE) {
    const left = await readTile(a, first);
    for (let second = a === b ? first : 0; second < b.vectors.count; second += TILE) {
      const diagonal = a === b && second === first;
      const right = diagonal ? left : await readTile(b, second);
      await addTiles(sums, left, right, diagonal, products);
    }
    onProgress(Math.min(1, (first + TILE) / a.vectors.count));
  }
  return sums;
};

async function addTiles(sums: number[], left: Tile, right: Tile, diagonal: boolean, products: MatrixProducts) {
  const kernels = await products.multiply(left.vectors, right.vectors, { transposeB: true });
  const { rows, columns, data } = kernels;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const at = i * columns + j;
      data[at] = diagonal && j <= i ? 0 : cubicKernel(data[at]!, left.vectors.columns);
    }
  }
  // With m and n the memberships of one subset, the subset's sum is mᵀ K n; K n is computed for all subsets at once.
  const { data: ofRows } = await products.multiply(kernels, right.members, { transposeB: true });
  for (let subset = 0; subset < sums.length; subset++) {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += left.members.data[subset * rows + i]! * ofRows[i * sums.length + subset]!;
    sums[subset]! += sum;
  }
}
