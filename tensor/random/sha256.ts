const PRIMES = Array.from({ length: 310 }, (_, i) => i + 2).filter((n, i, all) =>
  all.slice(0, i).every((d) => n % d !== 0)
);
/** 32 bits of the fraction of a root. */
const fraction = (root: number) => root % 1 * 2 ** 32 | 0;
const START = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const ROUNDS = PRIMES.map((prime) => fraction(Math.cbrt(prime)));

const turned = (word: number, by: number) => word >>> by | word << 32 - by;

/**
 * SHA-256 (FIPS 180-4, section 6.2), which a browser has only as a promise, and not on every page.
 *
 * @returns eight words, of which the first byte is the highest
 */
export function sha256(bytes: Uint8Array): Uint32Array {
  const view = new DataView(new ArrayBuffer(Math.ceil((bytes.length + 9) / 64) * 64));
  new Uint8Array(view.buffer).set([...bytes, 0x80]);
  view.setBigUint64(view.byteLength - 8, 8n * BigInt(bytes.length));
  const hash = Int32Array.from(START);
  const words = new Int32Array(64);
  for (let block = 0; block < view.byteLength; block += 64) {
    let state = [...hash] as [number, number, number, number, number, number, number, number];
    for (let i = 0; i < 64; i++) {
      const [early, late] = [words[i - 15]!, words[i - 2]!];
      words[i] = i < 16 ? view.getInt32(block + 4 * i) : words[i - 16]! + words[i - 7]! +
        (turned(early, 7) ^ turned(early, 18) ^ early >>> 3) + (turned(late, 17) ^ turned(late, 19) ^ late >>> 10);
      const [a, b, c, d, e, f, g, h] = state;
      const first = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + (e & f ^ ~e & g) + ROUNDS[i]! + words[i]! | 0;
      const second = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + (a & b ^ a & c ^ b & c);
      state = [first + second | 0, a, b, c, d + first | 0, e, f, g];
    }
    state.forEach((word, i) => hash[i]! += word);
  }
  return new Uint32Array(hash.buffer);
}
