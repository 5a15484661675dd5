import type { RandomStream } from "../../tensor/random/stream.ts";

/**
 * Returns a function that gives the indices of a step's images, for steps counted from 1. Every epoch goes through the
 * images in a different order, and drops the remainder that does not fill a batch.
 */
export function batchOrder(count: number, batchSize: number, order: RandomStream): (step: number) => Int32Array {
  const perEpoch = Math.floor(count / batchSize);
  let [epoch, permutation] = [-1, new Int32Array()];
  return (step) => {
    const wanted = Math.floor((step - 1) / perEpoch);
    if (wanted !== epoch) [epoch, permutation] = [wanted, order.permutation(wanted, count)];
    const start = (step - 1) % perEpoch * batchSize;
    return permutation.slice(start, start + batchSize);
  };
}
