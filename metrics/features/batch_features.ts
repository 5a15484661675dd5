import type { BoundFunction } from "../../tensor/device.ts";

/**
 * Returns a function that computes the features of one batch at a time.
 *
 * @param bound maps `images` [B, H, W, C], of this shape, to `features` [B, D] and `logits` [B, classes]
 * @param fill writes the bytes of images as the network's input
 * @returns maps up to a batch of images, bytes [B, H, W, C], to [B, D] and [B, classes], which are valid until the next
 * batch
 */
export function batchFeatures(
  bound: Pick<BoundFunction, "run">,
  [batchSize, height, width, channels]: readonly [number, number, number, number],
  { dimension, classes }: { readonly dimension: number; readonly classes: number },
  fill: (bytes: Uint8Array, out: Float32Array) => void,
) {
  const pixels = height * width * channels;
  const images = new Float32Array(batchSize * pixels);
  const results = { features: new Float32Array(batchSize * dimension), logits: new Float32Array(batchSize * classes) };
  return async (bytes: Uint8Array) => {
    const count = bytes.length / pixels;
    fill(bytes, images.subarray(0, bytes.length));
    await bound.run({ images }, results);
    return {
      features: results.features.subarray(0, count * dimension),
      logits: results.logits.subarray(0, count * classes),
    };
  };
}
