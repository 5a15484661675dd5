import { refuse } from "./format_error.ts";

/** CIFAR-10 images are 32x32 RGB. */
const PLANE = 32 * 32;
/** Size of one record: a label and an image. */
export const RECORD_BYTES = 1 + 3 * PLANE;

/** Pixels [N, 32, 32, 3] row-major; labels [N], 0 to 9. */
export type CifarBatch = Readonly<ReturnType<typeof decodeCifarBatch>>;

/**
 * Decode a batch of the CIFAR-10 binary version: records of one label byte and three planes of 1,024 bytes, red, green
 * and blue, each row by row (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html).
 *
 * @throws FormatError when the length is not a whole number of records or a label is above 9
 */
export function decodeCifarBatch(bytes: Uint8Array) {
  const count = bytes.length / RECORD_BYTES;
  if (!Number.isInteger(count) || count === 0) {
    refuse("CIFAR-10 batch", `${bytes.length} bytes`, `a multiple of ${RECORD_BYTES}`);
  }
  const pixels = new Uint8Array(count * 3 * PLANE);
  const labels = new Uint8Array(count);
  for (let n = 0; n < count; n++) {
    const record = n * RECORD_BYTES;
    const label = bytes[record]!;
    if (label > 9) refuse(`CIFAR-10 batch, label of record ${n}`, String(label), "0 to 9");
    labels[n] = label;
    for (let channel = 0; channel < 3; channel++) {
      const plane = record + 1 + channel * PLANE;
      for (let at = 0; at < PLANE; at++) pixels[(n * PLANE + at) * 3 + channel] = bytes[plane + at]!;
    }
  }
  return { count, pixels, labels };
}
