import type { Float64Matrix } from "../../tensor/matrix.ts";

/**
 * Computes the eigenvalues of a symmetric matrix, ascending: Householder's reduction to a tridiagonal matrix and
 * implicit QL (Golub & Van Loan, algorithms 8.3.1 and 8.3.3; EISPACK's tred1 and imtql1). Eigenvectors are not
 * computed, which would cost three times as much.
 *
 * @param s [n, n]; only its lower triangle is read
 */
export function symmetricEigenvalues(s: Float64Matrix): Float64Array {
  const { diagonal, below } = tridiagonalize(s);
  return implicitQl(diagonal, below).sort();
}

/**
 * Reduces a matrix to a tridiagonal one by reflections from the last row up, so that the remaining part is always the
 * leading part of each row. Each sweep over the lower triangle applies the last reflection to the matrix and multiplies
 * the matrix with the next one: the matrix is read from memory once a step.
 *
 * @returns `diagonal` [n]; `below` [n], whose entry i couples i and i + 1, and whose last entry is 0
 */
function tridiagonalize({ rows: size, data }: Float64Matrix) {
  const a = data.slice();
  const diagonal = new Float64Array(size);
  const below = new Float64Array(size);
  const [v, w, product] = [new Float64Array(size), new Float64Array(size), new Float64Array(size)];
  for (let last = size - 1; last > 0; last--) {
    const row = last * size;
    // Only the last row is updated here, as this step needs it. If the previous step had no reflection, v is zero.
    const [vi, wi] = [v[last]!, w[last]!];
    for (let j = 0; j <= last; j++) a[row + j]! -= vi * w[j]! + wi * v[j]!;
    diagonal[last] = a[row + last]!;
    let scale = 0;
    for (let j = 0; j < last; j++) scale = Math.max(scale, Math.abs(a[row + j]!));
    const reflects = scale > 0 && last > 1;
    const next = new Float64Array(last);
    let factor = 0;
    if (reflects) {
      let sum = 0;
      for (let j = 0; j < last; j++) {
        next[j] = a[row + j]! / scale;
        sum += next[j]! * next[j]!;
      }
      const pivot = next[last - 1]!;
      const norm = pivot > 0 ? -Math.sqrt(sum) : Math.sqrt(sum);
      below[last - 1] = scale * norm;
      next[last - 1] = pivot - norm;
      // |next|² / 2
      factor = sum - pivot * norm;
    } else {
      below[last - 1] = last === 1 ? a[row]! : 0;
    }
    sweep(a, { size, end: last, v, w, next, product });
    v.fill(0);
    if (!reflects) continue;
    let share = 0;
    for (let j = 0; j < last; j++) {
      product[j]! /= factor;
      share += product[j]! * next[j]!;
    }
    share /= 2 * factor;
    for (let j = 0; j < last; j++) {
      v[j] = next[j]!;
      w[j] = product[j]! - share * next[j]!;
    }
  }
  diagonal[0] = a[0]!;
  return { diagonal, below };
}

interface Sweep {
  readonly size: number;
  /** Number of remaining rows and columns. */
  readonly end: number;
  /** The last reflection, A -= v wᵀ + w vᵀ. */
  readonly v: Float64Array;
  readonly w: Float64Array;
  readonly next: Float64Array;
  /** Filled with the product of A and `next`. */
  readonly product: Float64Array;
}

function sweep(a: Float64Array, { size, end, v, w, next, product }: Sweep): void {
  product.fill(0, 0, end);
  for (let i = 0; i < end; i++) {
    const row = i * size;
    const ni = next[i]!;
    let sum = 0;
    const [vi, wi] = [v[i]!, w[i]!];
    for (let j = 0; j < i; j++) {
      const value = a[row + j]! - vi * w[j]! - wi * v[j]!;
      a[row + j] = value;
      sum += value * next[j]!;
      product[j]! += value * ni;
    }
    a[row + i]! -= 2 * vi * wi;
    product[i]! += sum + a[row + i]! * ni;
  }
}

/** More iterations for one eigenvalue than have ever been needed (EISPACK stops at 30). */
const MAX_ITERATIONS = 100;

/** @param d the diagonal, overwritten with the eigenvalues @param e the entries below the diagonal, overwritten */
function implicitQl(d: Float64Array, e: Float64Array): Float64Array {
  const size = d.length;
  // Smaller numbers are rounding errors without meaning, over which QL would not converge.
  const noise = 1e-3 * d.reduce((most, value, i) => Math.max(most, Math.abs(value), Math.abs(e[i]!)), 0);
  for (let l = 0; l < size; l++) {
    for (let iteration = 0;; iteration++) {
      let m = l;
      while (m < size - 1) {
        const near = Math.max(noise, Math.abs(d[m]!) + Math.abs(d[m + 1]!));
        if (Math.abs(e[m]!) <= Number.EPSILON * near) break;
        m++;
      }
      if (m === l) break;
      if (iteration === MAX_ITERATIONS) throw new Error("Cannot happen: implicit QL did not converge");
      let g = (d[l + 1]! - d[l]!) / (2 * e[l]!);
      let r = Math.hypot(g, 1);
      g = d[m]! - d[l]! + e[l]! / (g + (g >= 0 ? r : -r));
      let [s, c, p] = [1, 1, 0];
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * e[i]!;
        const b = c * e[i]!;
        r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1]! -= p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1]! - p;
        r = (d[i]! - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
      }
      if (r === 0 && i >= l) continue;
      d[l]! -= p;
      e[l] = g;
      e[m] = 0;
    }
  }
  return d;
}
