/**
 * Philox4x32-10, a counter-based generator: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel Random Numbers: As Easy
 * as 1, 2, 3", SC 2011, section 3.3. Output is a pure function of (counter, key), so any position can be read directly.
 */

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

/** Four 32-bit words. Word 0 counts blocks in {@linkcode philoxWords}. */
export type PhiloxCounter = readonly [number, number, number, number];

/** Two 32-bit words. */
export type PhiloxKey = readonly [number, number];

/**
 * Fills `out[0 .. wordCount)` with the blocks of `first`, `first + 1`, ... (the 64-bit number in words 0 and 1 counts).
 * @param wordCount a multiple of 4, at most `out.length`
 */
export function philoxWords(first: PhiloxCounter, key: PhiloxKey, out: Uint32Array, wordCount: number): void {
  let low = first[0] | 0;
  let high = first[1] | 0;
  const word2 = first[2] | 0;
  const word3 = first[3] | 0;
  const key0 = key[0] | 0;
  const key1 = key[1] | 0;
  for (let at = 0; at < wordCount; at += 4) {
    let c0 = low;
    let c1 = high;
    let c2 = word2;
    let c3 = word3;
    let k0 = key0;
    let k1 = key1;
    for (let round = 0; round < ROUNDS; round++) {
      const upper0 = upperHalf(c0, MULTIPLIER_0);
      const upper1 = upperHalf(c2, MULTIPLIER_1);
      const lower0 = Math.imul(c0, MULTIPLIER_0);
      const lower1 = Math.imul(c2, MULTIPLIER_1);
      c0 = upper1 ^ c1 ^ k0;
      c1 = lower1;
      c2 = upper0 ^ c3 ^ k1;
      c3 = lower0;
      k0 = (k0 + WEYL_0) | 0;
      k1 = (k1 + WEYL_1) | 0;
    }
    out[at] = c0;
    out[at + 1] = c1;
    out[at + 2] = c2;
    out[at + 3] = c3;
    low = (low + 1) | 0;
    if (low === 0) high = (high + 1) | 0;
  }
}

/**
 * Computes the upper half of a 32x32-bit product, from 16-bit pieces: every partial sum fits 32 unsigned bits, so int32
 * wrap-around loses nothing and V8 keeps everything in integer registers.
 */
function upperHalf(a: number, b: number): number {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const cross = (Math.imul(aLow, bHigh) + (middle & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (cross >>> 16)) | 0;
}
