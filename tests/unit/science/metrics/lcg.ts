/**
 * Returns data that any language can make: s = (1664525 s + 1013904223) mod 2^32, u = s / 2^32 - 1/2, starting from
 * `seed`.
 */
export function lcgValues(seed: number, count: number): Float64Array {
  let state = seed >>> 0;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}
