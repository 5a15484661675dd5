import type { Path } from "../../../../science/diffusion/define.ts";
import { timesOf, walkHost } from "../../../support/walk_host.ts";

export interface ExactOptions {
  readonly path: Path;
  /** Variance s^2 of the data, N(0, s^2). */
  readonly dataVariance: number;
  /** Standard deviation of the values that the walk starts from. Default 1. */
  readonly start?: number;
  /** Another way to compute x_0 from x at t than the closed form, for example through an objective. */
  readonly predictX0?: (x: number, t: number) => number;
}

/** Returns E[x_0 | x_t] for data N(0, s^2). */
export function exactX0(path: Path, dataVariance: number) {
  return (x: number, t: number) => {
    const [signal, noise] = [path.signal(t), path.noise(t)];
    return signal * dataVariance * x / (signal ** 2 * dataVariance + noise ** 2);
  };
}

/**
 * Returns the standard deviation of a sampler's results for data N(0, s^2) and the network that is exact for them. Each
 * step is then linear in x, in the x and x0 before it and in fresh noise, so that a walk is a sum of independent
 * deviations: one for x_T and one for each fresh noise, which are the numbers that are walked here.
 */
export async function outputDeviation(sampler: Record<string, unknown>, options: ExactOptions): Promise<number> {
  const { path, dataVariance, start = 1, predictX0 = exactX0(path, dataVariance) } = options;
  const length = timesOf(sampler, path).length;
  const unit = (at: number, value = 1) => Float32Array.from({ length }, (_, i) => i === at ? value : 0);
  const { images } = await walkHost(sampler, { path, predictX0, start: unit(0, start), noise: (k) => unit(k + 1) });
  return Math.hypot(...images);
}
