/**
 * Bytes of pixels as the network's numbers, x / 127.5 - 1, in [-1, 1] (hojonathanho/diffusion).
 *
 * @param out of the same length, filled
 */
export function bytesToUnit(bytes: Uint8Array, out: Float32Array): void {
  for (let i = 0; i < bytes.length; i++) out[i] = bytes[i]! / 127.5 - 1;
}

/**
 * The network's numbers as bytes, (x + 1) 127.5 clipped to [0, 255] and cut off, not rounded: published scores are of
 * images made like this (hojonathanho/diffusion).
 *
 * @param out of the same length, filled
 */
export function unitToBytes(values: Float32Array, out: Uint8Array): void {
  for (let i = 0; i < values.length; i++) {
    out[i] = Math.trunc(Math.min(255, Math.max(0, (values[i]! + 1) * 127.5)));
  }
}
