import { defineSampler, mix } from "noiseline";
import { z } from "zod";
import { timeOfFlow, velocity } from "./flow_euler.ts";

/**
 * Heun's method along dx/du = eps - x_0 in equal steps of u: an Euler step, then again from its start with the mean of
 * the slopes at both ends. It is of second order, except for the last step, which is Euler's, because at u = 0 there is
 * no noise to predict (as in Karras et al. 2022, algorithm 1). n steps take 2 n - 1 evaluations.
 */
export default defineSampler({
  params: z.strictObject({ steps: z.int().min(1).max(10_000).default(25).describe("Steps of two evaluations each") }),
  times: ({ steps }, path) => path.times(steps),
  evaluations: ({ steps }) => 2 * steps - 1,
  async sample({ x, times, path, predict }) {
    for (let k = 0; k + 1 < times.length; k++) {
      const [t, next] = [times[k]!, times[k + 1]!];
      const du = timeOfFlow(path, next) - timeOfFlow(path, t);
      const v = velocity(await predict(x, t));
      const arrived = mix([1, x], [du, v]);
      x = path.noise(next) === 0 ? arrived : mix([1, x], [du / 2, v], [du / 2, velocity(await predict(arrived, next))]);
    }
    return x;
  },
});
