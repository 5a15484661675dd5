import { z } from "zod";
import { defineSampler } from "../define.ts";
import { mix } from "./mix.ts";
import { checkSteps, spacedTimes, spacing, stepsParam } from "./spaced.ts";

/**
 * DPM-Solver++(2M) (Lu et al. 2022, algorithm 2; the `midpoint` form of huggingface/diffusers), deterministic and of
 * second order: one network evaluation a step, and the previous step's x_0 for the slope. With alpha the signal, sigma
 * the noise, lambda = ln(alpha / sigma) and h its step, x' = (sigma' / sigma) x + alpha' (1 - e^-h) D.
 *
 * The first step has no previous x_0, and the last one, to sigma' = 0, no finite h: both are of first order, which is
 * DDIM.
 */
export default defineSampler({
  params: z.strictObject({ steps: stepsParam(20), spacing }).describe(
    "DPM-Solver++(2M), Lu et al. 2022: second order, fewest steps",
  ),
  // In diffusers' `leading` of this solver, 0 is one of steps + 1 times and is left out: the stride is floor(T / (steps
  // + 1)).
  times: ({ steps, spacing }, path) =>
    spacing === "trailing"
      ? spacedTimes({ steps, spacing }, path)
      : spacedTimes({ steps: steps + 1, spacing }, path).filter((t) => t !== 0),
  evaluations: ({ steps }) => steps,
  check: ({ steps, spacing }, network) => checkSteps(steps, network, spacing === "leading" ? 1 : 0),
  async sample({ x, times, path, predict }) {
    const lambda = (t: number) => Math.log(path.signal(t) / path.noise(t));
    let lastX0 = x;
    for (let k = 0; k + 1 < times.length; k++) {
      const [t, s] = [times[k]!, times[k + 1]!];
      const { x0 } = await predict(x, t);
      const ratio = path.noise(s) / path.noise(t);
      // alpha' (1 - e^-h) in a form that is right at both ends: sigma' = 0, and alpha = 0 with a zero terminal SNR.
      const gain = path.signal(s) - path.signal(t) * ratio;
      const first = k === 0 || ratio === 0;
      const slope = first ? 0 : (lambda(s) - lambda(t)) / (2 * (lambda(t) - lambda(times[k - 1]!)));
      x = mix([ratio, x], [gain * (1 + slope), x0], [-gain * slope, lastX0]);
      lastX0 = x0;
    }
    return x;
  },
});
