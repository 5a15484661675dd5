import { meanAndDeviation } from "./spread.ts";

/**
 * Estimates the standard deviation of a distance of two sets of images, from how much the distance differs between
 * parts of the sets that share no image (the m out of n bootstrap without replacement: Politis & Romano 1994; Bickel,
 * Götze & van Zwet 1997). Such parts are independent, so that the sample variance (n - 1) of the distances of two
 * halves is unbiased for half as many images, and that of four quarters for a quarter. Resampling with replacement
 * gives too large a deviation here: the copies make covariances more singular, and resampling noise adds to the noise
 * of the sets.
 *
 * From a quarter to a half to all images, the variance is modelled as a / N + b / N^2 (a rate that data decide:
 * Bertail, Politis & Romano 1999): 1 / N if the sets clearly differ, 1 / N^2 if they are alike and the distance has no
 * slope.
 *
 * @param shuffle returns the indices of both sets, shuffled differently for each time; at least 8 of each set
 */
export async function subsampledDeviation(
  shuffle: (time: number) => readonly Int32Array[],
  distance: (real: Int32Array, fake: Int32Array) => Promise<number>,
  { times, onTime }: { readonly times: number; readonly onTime: (done: number) => void },
): Promise<number> {
  const variance = async (sets: readonly Int32Array[], parts: number) => {
    const values: number[] = [];
    for (let i = 0; i < parts; i++) {
      // Indices are sorted, since reading in the order of the file is faster.
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
