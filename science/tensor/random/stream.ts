// Also runs in browsers, whose built-in SHA-256 is asynchronous, and not available on every page.
import { sha256 } from "@noble/hashes/sha2.js";
import { fillNormals } from "./normal.ts";
import { type PhiloxCounter, type PhiloxKey, philoxWords } from "./philox.ts";

/** The seed and label of a stream of random numbers. */
export interface RandomStreamOptions {
  /** Integer in [0, 2^53). 0 is an ordinary seed. */
  readonly seed: number;
  /** Purpose of the numbers, e.g. `"train/noise"`. Streams with different labels are independent. */
  readonly stream: string;
}

/** The part of a draw to compute. */
export interface DrawOptions {
  /** Index of the first value: a draw with an offset equals that slice of the whole draw. Default 0. */
  readonly offset?: number;
}

/**
 * Random numbers as pure functions of (seed, stream, step, index): there is no state, so a run that resumes at step k,
 * or samples one image of a batch, gets the same numbers as a run that did everything. `step` is in [0, 2^53). The
 * kinds of draw of one stream and step are independent of each other.
 */
export interface RandomStream extends RandomStreamOptions {
  /** float32 standard normals, a new array of the given length or `out` filled. |value| <= 6.67. */
  normal(step: number, out: number | Float32Array<ArrayBuffer>, options?: DrawOptions): Float32Array<ArrayBuffer>;
  /** float32 multiples of 2^-24 in [0, 1). */
  uniform(step: number, out: number | Float32Array<ArrayBuffer>, options?: DrawOptions): Float32Array<ArrayBuffer>;
  /**
   * int32 in [0, bound), bound in [1, 2^31]: floor(word * bound / 2^32) of a 32-bit word. The probability of a value
   * differs from 1 / bound by at most bound / 2^32 (relative): 2.4e-7 for bound 1000.
   */
  integers(
    step: number,
    out: number | Int32Array<ArrayBuffer>,
    bound: number,
    options?: DrawOptions,
  ): Int32Array<ArrayBuffer>;
  /** A shuffle of 0..count-1 (Fisher-Yates; each swap has the bias of {@linkcode RandomStream.integers}). */
  permutation(step: number, count: number): Int32Array<ArrayBuffer>;
}

/**
 * Keeps the kinds of draw of one (stream, step) apart: the 11 bits of the counter above the 21 upper bits of the step.
 */
const DRAW_KIND = { normal: 0, uniform: 1, integers: 2, permutation: 3 } as const;

/** Chunks of 16 KiB of words stay in the L1 cache between the generator and the code that uses them. */
const CHUNK_WORDS = 4096;

/** Returns a random stream; the Philox key is SHA-256 of the seed and the label. */
export function randomStream(options: RandomStreamOptions): RandomStream {
  const { seed, stream } = options;
  checkIndex(seed, "seed");
  const key = deriveKey(seed, stream);
  return {
    seed,
    stream,
    normal(step, out, { offset = 0 } = {}) {
      const target = typeof out === "number" ? new Float32Array(checkIndex(out, "count")) : out;
      eachChunk(counterOf(step, "normal"), key, offset, target.length, (words, from, at, count) => {
        if (from % 2 === 1) {
          // The offset splits a Box-Muller pair: compute the pair, and keep its second half.
          const pair = new Float32Array(2);
          fillNormals(words.subarray(from - 1, from + 1), pair, 0, 2);
          target[at] = pair[1]!;
          from++, at++, count--;
        }
        fillNormals(from === 0 ? words : words.subarray(from), target, at, count);
      });
      return target;
    },
    uniform(step, out, { offset = 0 } = {}) {
      const target = typeof out === "number" ? new Float32Array(checkIndex(out, "count")) : out;
      eachChunk(counterOf(step, "uniform"), key, offset, target.length, (words, from, at, count) => {
        for (let i = 0; i < count; i++) target[at + i] = (words[from + i]! >>> 8) * 2 ** -24;
      });
      return target;
    },
    integers(step, out, bound, { offset = 0 } = {}) {
      if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 31) {
        throw new RangeError(`bound must be an integer in [1, 2^31]: got ${bound}`);
      }
      const target = typeof out === "number" ? new Int32Array(checkIndex(out, "count")) : out;
      eachChunk(counterOf(step, "integers"), key, offset, target.length, (words, from, at, count) => {
        for (let i = 0; i < count; i++) target[at + i] = scaleWord(words[from + i]!, bound);
      });
      return target;
    },
    permutation(step, count) {
      checkIndex(count, "count");
      const order = Int32Array.from({ length: count }, (_, index) => index);
      eachChunk(counterOf(step, "permutation"), key, 0, Math.max(0, count - 1), (words, from, at, chunk) => {
        for (let i = 0; i < chunk; i++) {
          const last = count - 1 - (at + i);
          const other = scaleWord(words[from + i]!, last + 1);
          const moved = order[last]!;
          order[last] = order[other]!;
          order[other] = moved;
        }
      });
      return order;
    },
  };
}

/** floor(word * bound / 2^32), exact: 16-bit pieces keep every product below 2^53. */
function scaleWord(word: number, bound: number): number {
  const carry = Math.floor((word & 0xffff) * bound / 0x10000);
  return Math.floor(((word >>> 16) * bound + carry) / 0x10000);
}

function deriveKey(seed: number, stream: string): PhiloxKey {
  // JSON keeps (1, "2/x") and (12, "/x") apart; the first element keeps this use of SHA-256 apart from any other.
  const text = JSON.stringify(["noiseline random stream 1", seed, stream]);
  const { buffer, byteOffset } = sha256(new TextEncoder().encode(text));
  const view = new DataView(buffer, byteOffset);
  return [view.getUint32(0, true), view.getUint32(4, true)];
}

function counterOf(step: number, kind: keyof typeof DRAW_KIND): readonly [number, number] {
  checkIndex(step, "step");
  return [step >>> 0, (Math.floor(step / 2 ** 32) | (DRAW_KIND[kind] << 21)) >>> 0];
}

/** Calls `use(words, from, at, count)`: words[from .. from + count) belong to target[at .. at + count). */
function eachChunk(
  stepWords: readonly [number, number],
  key: PhiloxKey,
  offset: number,
  length: number,
  use: (words: Uint32Array, from: number, at: number, count: number) => void,
): void {
  checkIndex(offset, "offset");
  const words = new Uint32Array(Math.min(CHUNK_WORDS, 4 * Math.ceil((length + 3) / 4)));
  for (let at = 0; at < length;) {
    const block = Math.floor((offset + at) / 4);
    const from = (offset + at) % 4;
    const count = Math.min(length - at, words.length - from);
    const counter: PhiloxCounter = [block >>> 0, Math.floor(block / 2 ** 32), ...stepWords];
    philoxWords(counter, key, words, 4 * Math.ceil((from + count) / 4));
    use(words, from, at, count);
    at += count;
  }
}

function checkIndex(value: number, name: string): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${name} must be an integer in [0, 2^53): got ${value}`);
  }
  return value;
}
