import { meanAndDeviation } from "./spread.ts";

/**
 * Standard deviation of a distance of two sets of images, by how much it differs between parts of them that share no image
 * (the m out of n bootstrap without replacement: Politis & Romano 1994; Bickel, Götze & van Zwet 1997). Such parts are
 * independent, so that the sample variance (n - 1) of the distances of two halves is unbiased for half as many images,
 * and that of four quarters for a quarter. Resamples with replacement are too wide here: their copies make covariances
 * more singular, and they add the noise of the sets to noise about them.
 *
 * From a quarter over half to all images the variance is taken to be a / N + b / N^2 (a rate that data decide: Bertail,
 * Politis & Romano 1999): 1 / N where the sets clearly differ, 1 / N^2 where they are alike and the distance has no slope.
 *
 * @param shuffle the indices of both sets in an order of its own for each time, at least 8 of each
 */
export async function subsampledDeviation(
  shuffle: (time: number) => readonly Int32Array[],
  distance: (real: Int32Array, fake: Int32Array) => Promise<number>,
  { times, onTime }: { readonly times: number; readonly onTime: (done: number) => void },
): Promise<number> {
  const variance = async (sets: readonly Int32Array[], parts: number) => {
    const values: number[] = [];
    for (let i = 0; i < parts; i++) {
      // In the order of the file, which is read faster so.
      const part = (set: Int32Array) => set.slice(i * set.length / parts, (i + 1) * set.length / parts).sort();
      values.push(await distance(part(sets[0]!), part(sets[1]!)));
    }
    return meanAndDeviation(values).deviation ** 2 * parts / (parts - 1);
  };
  let [half, quarter] = [0, 0];
  for (let time = 0; time < times; time++) {
    const sets = shuffle(time);
    half += await variance(sets, 2) / times;
    quarter += await variance(sets, 4) / times;
    onTime(time + 1);
  }
  return Math.sqrt(Math.min(half / 2, Math.max(half / 4, 3 / 4 * half - quarter / 8)));
}
