import type { ImageReader } from "../../artifacts/image_files.ts";
import { flipped } from "../../science/diffusion/augmentations/pixels.ts";
import type { RandomStream } from "../../science/tensor/random/stream.ts";

/**
 * Returns a training's images of each step, counted from 1, in an array that is filled anew each time; `prepare` reads
 * those of a step while the device computes the step before. With a posterior, each image is drawn from it.
 *
 * @param stream makes the streams of the order, the flips and the draws
 */
export function batchImages(
  images: Pick<ImageReader, "shape" | "size" | "read">,
  { batchSize, flip, posterior = false }: Readonly<
    { batchSize: number; flip: boolean; posterior?: boolean | undefined }
  >,
  stream: (purpose: string) => RandomStream,
) {
  const [count, height, width, channels] = images.shape;
  const [flips, draws] = [stream("flip"), stream("posterior")];
  const indicesOf = batchOrder(count, batchSize, stream("order"));
  const room = () => new Float32Array(batchSize * images.size);
  const [x0, prepared, noise, mirrored] = [room(), room(), posterior ? room() : undefined, new Int32Array(batchSize)];
  let ready = 0;
  const prepare = (step: number) => {
    if (noise !== undefined) draws.normal(step, noise);
    images.read(indicesOf(step), prepared, undefined, noise);
    ready = step;
  };
  const read = (step: number) => {
    if (ready !== step) prepare(step);
    x0.set(prepared);
    if (!flip) return indicesOf(step);
    flips.integers(step, mirrored, 2);
    mirrored.forEach((is, i) => {
      const image = x0.subarray(i * images.size, (i + 1) * images.size);
      if (is === 1) image.set(flipped({ image, height, width, channels }, { mirrored: true }));
    });
    return indicesOf(step);
  };
  return { x0, prepare, read };
}

/**
 * Returns a function that gives the indices of a step's images, for steps counted from 1. Every epoch goes through the
 * images in a different order, and drops the remainder that does not fill a batch.
 */
function batchOrder(count: number, batchSize: number, order: RandomStream): (step: number) => Int32Array {
  const perEpoch = Math.floor(count / batchSize);
  let [epoch, permutation] = [-1, new Int32Array()];
  return (step) => {
    const wanted = Math.floor((step - 1) / perEpoch);
    if (wanted !== epoch) [epoch, permutation] = [wanted, order.permutation(wanted, count)];
    const start = (step - 1) % perEpoch * batchSize;
    return permutation.slice(start, start + batchSize);
  };
}
