import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { pivotedCholesky } from "../../../../../science/metrics/linear/pivoted_cholesky.ts";
import { symmetricEigenvalues } from "../../../../../science/metrics/linear/symmetric_eigenvalues.ts";
import { openFloat64Products } from "../../../../../science/tensor/onnx/products.ts";
import { assertAllClose, assertClose } from "../../diffusion/assert_close.ts";
import { lcgValues } from "../lcg.ts";
import type { Float64Matrix } from "../../../../../science/tensor/matrix.ts";
import { matrix, plainProducts, transpose } from "../../../../support/plain_metrics.ts";

const random = (rows: number, columns: number, seed: number) => matrix(rows, columns, lcgValues(seed, rows * columns));

/** Returns X Xᵀ of a random X [size, rank]. */
const gram = (size: number, rank: number, seed: number) => {
  const x = random(size, rank, seed);
  return plainProducts.multiply(x, x, { transposeB: true });
};

Deno.test("products of the engine are those of the definition, transposed or not, and of empty matrices", async () => {
  await using products = openFloat64Products({ threads: 2 });
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      for (const [m, k, n] of [[3, 4, 5], [1, 7, 1], [40, 1, 30], [65, 33, 129]] as const) {
        const a = transposeA ? random(k, m, 1) : random(m, k, 1);
        const b = transposeB ? random(n, k, 2) : random(k, n, 2);
        const options = { transposeA, transposeB };
        const [got, want] = [await products.multiply(a, b, options), await plainProducts.multiply(a, b, options)];
        assertEquals([got.rows, got.columns], [m, n]);
        assertAllClose(got.data, want.data, { abs: 1e-14 });
      }
    }
  }
  const none = await products.multiply(random(3, 0, 1), random(0, 2, 1));
  assertEquals(none, { rows: 3, columns: 2, data: new Float64Array(6) });
  assertThrows(() => matrix(2, 2, new Float64Array(3)), RangeError, "got 3 numbers");
});

Deno.test("pivotedCholesky() gives the matrix back and finds its rank", async () => {
  // 130 is more than one block of columns, and not a multiple of it.
  for (const [size, rank] of [[1, 1], [5, 5], [5, 2], [130, 130], [130, 70], [130, 64], [100, 1]] as const) {
    const s = await gram(size, rank, size + rank);
    const factor = await pivotedCholesky(s, plainProducts);
    assertEquals([factor.rows, factor.columns], [size, rank]);
    const back = await plainProducts.multiply(factor, factor, { transposeB: true });
    assertAllClose(back.data, s.data, { abs: 1e-12 });
  }
  assertEquals((await pivotedCholesky(matrix(3, 3, new Float64Array(9)), plainProducts)).columns, 0);
});

/**
 * Returns eigenvalues by Jacobi's rotations (Golub & Van Loan, section 8.5), each of which makes one pair of numbers
 * zero.
 */
function eigenvaluesByRotations({ rows: size, data }: Float64Matrix): number[] {
  const a = data.slice();
  const at = (i: number, j: number) => a[i * size + j]!;
  // Convergence is quadratic: matrices of this size take about eight sweeps.
  for (let sweep = 0; sweep < 20; sweep++) {
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        if (at(p, q) === 0) continue;
        const ratio = (at(q, q) - at(p, p)) / (2 * at(p, q));
        const tangent = (ratio < 0 ? -1 : 1) / (Math.abs(ratio) + Math.hypot(ratio, 1));
        const c = 1 / Math.hypot(tangent, 1);
        const s = tangent * c;
        const rotate = (first: number, second: number) => {
          [a[first], a[second]] = [c * a[first]! - s * a[second]!, s * a[first]! + c * a[second]!];
        };
        for (let k = 0; k < size; k++) rotate(p * size + k, q * size + k);
        for (let k = 0; k < size; k++) rotate(k * size + p, k * size + q);
      }
    }
  }
  return Array.from({ length: size }, (_, i) => at(i, i)).sort((x, y) => x - y);
}

Deno.test("symmetricEigenvalues() agrees with another method", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 24 }), fc.nat(1e6), fc.boolean(), (size, seed, sparse) => {
      const x = random(size, size, seed);
      const turned = transpose(x);
      // Rows of zeros are steps without a reflection.
      const data = x.data.map((value, i) => sparse && i % 3 > 0 ? 0 : value + turned.data[i]!);
      const s = matrix(
        size,
        size,
        data.map((value, i) => {
          const [row, column] = [Math.floor(i / size), i % size];
          return row < column ? data[column * size + row]! : value;
        }),
      );
      assertAllClose(symmetricEigenvalues(s), eigenvaluesByRotations(s), { abs: 1e-13 * size });
    }),
    { seed: 1, numRuns: 200 },
  );
});

Deno.test("symmetricEigenvalues() is exact for diagonal matrices and keeps small ones beside large ones", () => {
  const diagonal = Float64Array.of(3, 0, 0, 0, -1, 0, 0, 0, 2);
  assertEquals([...symmetricEigenvalues(matrix(3, 3, diagonal))], [-1, 2, 3]);
  const graded = symmetricEigenvalues(matrix(2, 2, Float64Array.of(1e12, 0, 0, 1e-12)));
  assertEquals([...graded], [1e-12, 1e12]);
  assert(symmetricEigenvalues(matrix(1, 1, Float64Array.of(5)))[0] === 5);
});

Deno.test("symmetricEigenvalues() comes to an end where most eigenvalues are below rounding", async () => {
  for (const size of [200, 300]) {
    // Deviations shrink by a fifth from row to row, to 1e-26, like those of redundant features.
    const { data } = await gram(size, 2 * size, 3);
    const s = data.map((value, k) => value * Math.exp(-0.2 * (Math.floor(k / size) + k % size)));
    const trace = s.filter((_, k) => k % (size + 1) === 0).reduce((sum, value) => sum + value);
    const sum = symmetricEigenvalues(matrix(size, size, s)).reduce((sum, value) => sum + value);
    // Eigenvalues add up to the trace, float64.
    assertClose(sum, trace, { rel: 1e-12 });
  }
});
