/**
 * Box-Muller with our own logarithm, sine and cosine. They use only +, -, *, / and sqrt, which IEEE 754 fixes to the
 * last bit, so a seed gives the same bits on every processor and in every version of V8; `Math.log` and `Math.sin` do
 * not promise that. They are accurate to about 1e-12, far below the float32 of the result.
 */

const LN2 = 0.6931471805599453;
/** A unit of `turn << 2` is 2^-34 of a full turn. */
const RADIANS_PER_STEP = 6.283185307179586 * 2 ** -34;

/** 2^-e for e = 0..32, so that scaling by a power of two is one exact product. */
const INVERSE_POWER = Float64Array.from({ length: 33 }, (_, exponent) => 2 ** -exponent);

/**
 * Computes -ln((word + 1) / 2^32) for a 32-bit word: the uniform lies in (0, 1], so the result is finite and >= 0. With
 * m = mantissa in (1/sqrt2, sqrt2] and s = (m - 1) / (m + 1): ln m = 2 (s + s^3/3 + s^5/5 + ...), |s| < 0.172.
 */
function negativeLog(word: number): number {
  const value = word + 1;
  let exponent = word === 0xffffffff ? 32 : 31 - Math.clz32(value);
  let mantissa = value * INVERSE_POWER[exponent]!;
  // Centring on 1 keeps ln accurate when the uniform is close to 1, where the exponent term would cancel it.
  if (mantissa > Math.SQRT2) {
    mantissa *= 0.5;
    exponent++;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  const z = s * s;
  const series = 1 + z * (1 / 3 + z * (1 / 5 + z * (1 / 7 + z * (1 / 9 + z * (1 / 11 + z * (1 / 13 + z * (1 / 15)))))));
  return (32 - exponent) * LN2 - 2 * s * series;
}

/**
 * Computes standard normals from pairs of words: `out[offset + i]` for i in [0, count) is r cos(a) for even and r
 * sin(a) for odd i, r = sqrt(-2 ln u1), a = 2 pi u2 (G. Box and M. Muller, 1958). |value| <= 6.67, a limit that comes
 * from 32-bit uniforms.
 * @param words random words, an even number, at least `count`
 */
export function fillNormals(words: Uint32Array, out: Float32Array, offset: number, count: number): void {
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(2 * negativeLog(words[i]!));
    // Reduces the angle to the nearest quarter turn while it is still an exact integer.
    const turn = words[i + 1]!;
    const quadrant = (turn + 0x20000000) >>> 30;
    const x = (turn << 2) * RADIANS_PER_STEP;
    const z = x * x;
    const sin = x *
      (1 + z * (-1 / 6 + z * (1 / 120 + z * (-1 / 5040 + z * (1 / 362880 + z * (-1 / 39916800 + z / 6227020800))))));
    const cos = 1 +
      z * (-1 / 2 + z * (1 / 24 + z * (-1 / 720 + z * (1 / 40320 + z * (-1 / 3628800 + z * (1 / 479001600))))));
    const swap = (quadrant & 1) === 1;
    const cosSign = quadrant === 1 || quadrant === 2 ? -radius : radius;
    const sinSign = quadrant === 2 || quadrant === 3 ? -radius : radius;
    out[offset + i] = cosSign * (swap ? sin : cos);
    if (i + 1 < count) out[offset + i + 1] = sinSign * (swap ? cos : sin);
  }
}
