import { z } from "zod";
import { defineSampler } from "../define.ts";
import { mix, transition } from "./mix.ts";
import { checkSteps, spacedTimes, spacing, stepsParam } from "./spaced.ts";

/**
 * DDIM (Song et al. 2021, eq. 12): each step combines x_0 at its signal and eps at its noise, of which eta replaces a
 * part with new noise. With eta 0 this is Euler's method on the probability flow of any path: on x_t = (1 - u) x_0 + u
 * eps it follows the velocity eps - x_0.
 */
export default defineSampler({
  params: z.strictObject({
    steps: stepsParam(50),
    eta: z.number().min(0).max(1).default(0).describe("0: deterministic; 1: as noisy as ancestral sampling"),
    spacing,
  }).describe("Song et al. 2021: few steps"),
  times: spacedTimes,
  evaluations: ({ steps }) => steps,
  check: ({ steps }, network) => checkSteps(steps, network),
  async sample({ x, times, path, params: { eta }, predict, noise }) {
    for (let k = 0; k + 1 < times.length; k++) {
      const [t, s] = [times[k]!, times[k + 1]!];
      const { x0, eps } = await predict(x, t);
      const sigma = eta * Math.sqrt(transition(path, s, t).posteriorVariance);
      // Rounding can make the difference negative if sigma^2 is all of the noise.
      const kept = Math.sqrt(Math.max(path.noise(s) ** 2 - sigma ** 2, 0));
      x = mix([path.signal(s), x0], [kept, eps], ...(sigma === 0 ? [] : [[sigma, noise(k)] as const]));
    }
    return x;
  },
});
