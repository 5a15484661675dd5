import { defineSampler, mix } from "noiseline";
import { z } from "zod";

/**
 * DDIM (Song et al. 2021, equation 12) on any path: predict the image, then move it back to a lower noise level.
 *
 * In a pipeline:
 *
 *     sample: { uses: sample, …, with: { …, sampler: { uses: ./new_sampler.ts, steps: 50 } } }
 */
export default defineSampler({
  params: z.strictObject({
    steps: z.int().min(1).max(10_000).default(50).describe("Evaluations of the network"),
    eta: z.number().min(0).max(1).default(0).describe("0: no fresh noise; 1: as much as ancestral sampling"),
  }),

  // From noise to the image itself, which is time -1.
  times: ({ steps }, path) => path.times(steps),

  async sample({ x, times, path, params, predict, noise }) {
    for (let k = 0; k + 1 < times.length; k++) {
      const [t, next] = [times[k]!, times[k + 1]!];
      const ratio = path.signal(t) / path.signal(next);
      const [level, less] = [path.noise(t), path.noise(next)];
      // The standard deviation of q(x_next | x_t, x_0), scaled by eta.
      const fresh = params.eta * less / level * Math.sqrt(level ** 2 - (ratio * less) ** 2);

      const { x0, eps } = await predict(x, t);
      x = mix([path.signal(next), x0], [Math.sqrt(less ** 2 - fresh ** 2), eps]);
      if (fresh > 0) x = mix([1, x], [fresh, noise(k)]);
    }
    return x;
  },
});
