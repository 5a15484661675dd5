import { defineSampler, mix, type Path, type Prediction } from "noiseline";
import { z } from "zod";

/** Euler's method along dx/du = eps - x_0 in equal steps of u, from noise at 1 to the image at 0 (Liu et al. 2023). */
export default defineSampler({
  params: z.strictObject({ steps: z.int().min(1).max(10_000).default(50).describe("Evaluations of the network") }),
  times: ({ steps }, path) => path.times(steps),
  async sample({ x, times, path, predict }) {
    for (let k = 0; k + 1 < times.length; k++) {
      const du = timeOfFlow(path, times[k + 1]!) - timeOfFlow(path, times[k]!);
      x = mix([1, x], [du, velocity(await predict(x, times[k]!))]);
    }
    return x;
  },
});

/** Returns dx/du of the straight path. */
export function velocity({ x0, eps }: Prediction): Float32Array {
  return mix([1, eps], [-1, x0]);
}

/**
 * Returns u of a time.
 * @throws RangeError if the path is not the straight one
 */
export function timeOfFlow(path: Path, t: number): number {
  const u = path.noise(t);
  if (Math.abs(path.signal(t) + u - 1) < 1e-6) return u;
  throw new RangeError(
    `Path of a flow sampler: got signal ${path.signal(t)} and noise ${u}, wanted 1 - u and u (flow.ts)`,
  );
}
