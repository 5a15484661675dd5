import { MNIST_COUNT, MNIST_SIDE } from "./mnist_facts.ts";
import { digitFiles } from "./mnist_files.js";

export interface Digits {
  /** [N, 28, 28] row-major, sorted by digit. */
  readonly pixels: Uint8Array<ArrayBuffer>;
  /** [N], 0 to 9. */
  readonly labels: Uint8Array<ArrayBuffer>;
}

/**
 * All 10,000 digits as the bytes they were before the package rounded them to three decimals: the levels k / 255 are
 * 0.0039 apart and rounding moves none by more than 0.0005, so the nearest level is the right one.
 */
export function readDigits(): Digits {
  const area = MNIST_SIDE * MNIST_SIDE;
  const pixels = new Uint8Array(MNIST_COUNT * area);
  const labels = new Uint8Array(MNIST_COUNT);
  let next = 0;
  digitFiles.forEach(({ data }, digit) => {
    if (data.length % area !== 0 || next + data.length > pixels.length) {
      throw new Error(`Cannot happen: ${data.length} numbers for digit ${digit}; the package is pinned`);
    }
    for (const level of data) pixels[next++] = Math.round(level * 255);
    labels.fill(digit, (next - data.length) / area, next / area);
  });
  if (next !== pixels.length) throw new Error(`Cannot happen: ${next / area} digits; the package is pinned`);
  return { pixels, labels };
}
