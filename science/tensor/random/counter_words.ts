/**
 * Random words inside compiled functions: word (n, j) of a site is a pure function of (key, site, n, j), with no state
 * to save. Arithmetic is on 32 unsigned bits and uses only +, *, division by 2^16 and comparison, because these are the
 * integer operations that every engine has (ONNX Runtime's CUDA kernels have neither shifts nor bitwise operations), so
 * that all devices compute the same bits:
 *
 *     mix(u)   = r + floor(r / 2^16),  r = u (2u + 1)
 *     first_i  = mix(i G + w),  second_i = mix(first_i),  w = key0 + (site + 1) S0 for j, key1 + (site + 1) S1 for n
 *     word     = y (y + C),  y = r + floor(r / 2^16),  r = (second_j + second_n) (2 (first_j + first_n) + 1)
 *
 * u (2u + 1) is the permutation of RC6 (R. Rivest, M. Robshaw, R. Sidney, Y. Yin, 1998): its upper bits depend on all
 * bits, and the division carries them back to the lower ones. Only the last line is computed for every word; positions
 * j and images n are mixed separately. y (y + C) takes every even value exactly twice, so a word is even and its upper
 * 31 bits are as uniform as y. This is a generator for dropout masks, tested in
 * tests/unit/science/tensor/keep_mask_test.ts; initial weights and noise come from Philox.
 */

/** 2^32 divided by the golden ratio, odd: neighbours are mapped far apart. */
export const POSITION_STEP = 0x9e3779b1;
/** Odd constants that keep sites apart, one for each word of the key (the last steps of MurmurHash3, A. Appleby). */
const SITE_STEPS = [0x85ebca6b, 0xc2b2ae35] as const;
/** Must be odd, or y (y + C) would not be uniform. */
export const FINAL_TERM = 0x7feb352d;
/** Divisor that moves the upper half of a word down. */
export const HALF_WORD = 0x10000;

/** Words of `images` times `size` positions, row-major. */
export interface CounterGrid {
  readonly images: number;
  readonly size: number;
}

/** Returns what the site adds to word 0 (positions) or 1 (images) of the key, as int32. */
export function siteOffset(site: number, word: 0 | 1): number {
  return Math.imul(site + 1, SITE_STEPS[word]);
}

/** Computes every word of the grid, unsigned. @param key two int32 words, see `keepMask` */
export function counterWords({ images, size }: CounterGrid, key: ArrayLike<number>, site: number): Uint32Array {
  const words = new Uint32Array(images * size);
  const position = mixPositions(size, key[0]! + siteOffset(site, 0));
  const image = mixPositions(images, key[1]! + siteOffset(site, 1));
  for (let n = 0, at = 0; n < images; n++) {
    const imageFirst = image.first[n]!;
    const imageSecond = image.second[n]!;
    for (let j = 0; j < size; j++, at++) {
      // `| 0` at each sum keeps V8 in integer registers.
      const odd = (((position.first[j]! + imageFirst) | 0) << 1) | 1;
      const product = Math.imul((position.second[j]! + imageSecond) | 0, odd);
      const y = (product + (product >>> 16)) | 0;
      words[at] = Math.imul(y, (y + FINAL_TERM) | 0);
    }
  }
  return words;
}

function mixPositions(count: number, word: number) {
  const first = new Int32Array(count);
  const second = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    first[i] = mix((Math.imul(i, POSITION_STEP) + word) | 0);
    second[i] = mix(first[i]!);
  }
  return { first, second };
}

function mix(u: number): number {
  const product = Math.imul(u, (u << 1) | 1);
  return (product + (product >>> 16)) | 0;
}
