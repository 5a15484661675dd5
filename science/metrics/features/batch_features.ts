import type { BoundFunction } from "../../tensor/device.ts";

/**
 * Returns a function that computes the features of one batch at a time.
 *
 * @param bound maps `images` [B, H, W, C], of this shape, to `features` [B, D] and `logits` [B, classes]
 * @param fill writes the stored values of images as the network's input
 * @returns maps the values of up to a batch of images, [B, H, W, C], to [B, D] and [B, classes], which are valid until
 * the next batch
 */
export function batchFeatures<V extends ArrayLike<number>>(
  bound: Pick<BoundFunction, "run">,
  [batchSize, height, width, channels]: readonly [number, number, number, number],
  { dimension, classes }: { readonly dimension: number; readonly classes: number },
  fill: (values: V, out: Float32Array) => void,
) {
  const pixels = height * width * channels;
  const images = new Float32Array(batchSize * pixels);
  const results = { features: new Float32Array(batchSize * dimension), logits: new Float32Array(batchSize * classes) };
  return async (values: V) => {
    const count = values.length / pixels;
    fill(values, images.subarray(0, values.length));
    await bound.run({ images }, results);
    return {
      features: results.features.subarray(0, count * dimension),
      logits: results.logits.subarray(0, count * classes),
    };
  };
}
