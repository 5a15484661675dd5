import type { ImageReader } from "../../artifacts/image_files.ts";
import type { Metric } from "../../artifacts/metrics.ts";
import {
  energyDistance,
  gaussianDiscrepancy,
  medianDistance,
  slicedWasserstein,
} from "../../science/metrics/points.ts";
import { range } from "../../science/metrics/vectors.ts";
import { randomStream } from "../../science/tensor/mod.ts";
import { VECTOR_SCORES } from "./params.ts";

/** Points of each set that are compared: the number of pairs grows with its square. */
const MOST_POINTS = 5_000;
const DIRECTIONS = 500;
/** Real points whose distances give the bandwidth. */
const BANDWIDTH_POINTS = 1_000;

/** Compares points or short vectors. Both sets are read as networks see them, by the normaliser of the real set. */
export function vectorScores(real: ImageReader, fake: ImageReader, seed: number): Metric[] {
  const read = (set: ImageReader, most: number) => {
    const [count, dimension] = [Math.min(most, set.info.count), set.size];
    const data = new Float32Array(count * dimension);
    set.read(range(0, count), data, real);
    return { data, count, dimension };
  };
  const [a, b] = [read(real, MOST_POINTS), read(fake, MOST_POINTS)];
  const directions = randomStream({ seed, stream: "score/directions" }).normal(0, DIRECTIONS * a.dimension);
  // Equal points have no distance to scale by.
  const bandwidth = medianDistance(read(real, BANDWIDTH_POINTS)) || 1;
  const about = `first ${a.count} real and ${b.count} fake, ${a.dimension} dimensions, by the real set's normaliser`;
  const h = `h = ${bandwidth.toPrecision(6)}, the median distance of the first ${BANDWIDTH_POINTS} real`;
  const scores = [
    [energyDistance(a, b), "2 E|X - Y| - E|X - X'| - E|Y - Y'| over all pairs"],
    [slicedWasserstein(a, b, directions), `order 2, ${DIRECTIONS} random directions of seed ${seed}`],
    [gaussianDiscrepancy(a, b, bandwidth), `kernel exp(-|x - y|^2 / (2 h^2)), ${h}; unbiased: may be negative`],
  ] as const;
  const count = Math.min(a.count, b.count);
  return scores.map(([value, note], i) => ({ name: VECTOR_SCORES[i]!, value, count, note: `${note}; ${about}` }));
}
