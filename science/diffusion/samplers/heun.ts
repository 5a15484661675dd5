import { z } from "zod";
import { defineSampler } from "../define.ts";
import { mix } from "./mix.ts";
import { DATA_TIME } from "../path.ts";

/** Noise levels of Karras et al. 2022, where the chain has them. */
const [LOWEST, HIGHEST] = [0.002, 80];

/**
 * Heun's method on the noise levels of Karras et al. 2022 (algorithm 1 with S_churn = 0), deterministic and of second
 * order, for a network of any path: with sigma = noise / signal, the paper's image is y = x / signal, and its slope (y
 * - D) / sigma is eps.
 *
 * Levels are rounded to the nearest of the path's indices (`round_sigma` in the paper's code); levels that round to the
 * same index are visited once. Each level but the last takes two evaluations: an Euler step, and a correction with the
 * slope at its end.
 */
export default defineSampler({
  params: z.strictObject({
    steps: z.int().min(1).max(1_000_000).default(18).describe("Number of noise levels"),
    sigmaMin: z.number().positive().optional().describe("Lowest noise level; default: 0.002 or the chain's own lowest"),
    sigmaMax: z.number().positive().optional().describe("Highest noise level; default: 80 or the chain's own highest"),
    rho: z.number().positive().default(7).describe("Higher values put more of the levels at low noise"),
  }).describe("Karras et al. 2022: second order, 2 steps - 1 evaluations of the network"),
  times({ sigmaMin, sigmaMax, ...params }, path) {
    const levels = Float64Array.from({ length: path.timesteps }, (_, t) => path.noise(t) / path.signal(t));
    const sigmas = edmSigmas({
      ...params,
      sigmaMin: sigmaMin ?? Math.max(LOWEST, levels[0]!),
      sigmaMax: sigmaMax ?? Math.min(HIGHEST, levels.at(-1)!),
    });
    return [...new Set(Array.from(sigmas, (sigma) => nearestLevel(levels, sigma))), DATA_TIME];
  },
  evaluations: ({ steps }, timesteps) => 2 * Math.min(steps, timesteps) - 1,
  check: ({ sigmaMin = LOWEST, sigmaMax = HIGHEST }) =>
    sigmaMin < sigmaMax ? [] : [{
      param: ["sigmaMin"],
      message: "the lowest noise level must be below the highest",
      got: `sigmaMin ${sigmaMin}, sigmaMax ${sigmaMax}`,
      wanted: "sigmaMin below sigmaMax",
      fix: "leave both out to use those of the schedule",
    }],
  async sample({ x, times, path, predict }) {
    const sigma = (t: number) => path.noise(t) / path.signal(t);
    for (let k = 0; k + 1 < times.length; k++) {
      const [t, next] = [times[k]!, times[k + 1]!];
      const here = await predict(x, t);
      if (next === DATA_TIME) return here.x0;
      const [kept, step] = [path.signal(next) / path.signal(t), path.signal(next) * (sigma(next) - sigma(t))];
      const euler = mix([kept, x], [step, here.eps]);
      const there = await predict(euler, next);
      x = mix([kept, x], [step / 2, here.eps], [step / 2, there.eps]);
    }
    return x;
  },
});

/** @param levels ascending */
function nearestLevel(levels: Float64Array, sigma: number): number {
  const above = levels.findIndex((level) => level >= sigma);
  if (above < 0) return levels.length - 1;
  return above > 0 && sigma - levels[above - 1]! < levels[above]! - sigma ? above - 1 : above;
}

/**
 * Returns the noise levels of Karras et al. 2022 (eq. 5), falling from sigmaMax to sigmaMin: float64 [steps]. The final
 * level of a sampler, 0, is not included.
 *
 * @param levels.steps number of levels, an integer >= 1. @param levels.rho higher values put more levels at low noise
 * @throws RangeError when sigmaMin is not below sigmaMax, either of which may be the chain's own
 */
export function edmSigmas(
  { steps, sigmaMin, sigmaMax, rho }: Readonly<Record<"steps" | "sigmaMin" | "sigmaMax" | "rho", number>>,
): Float64Array {
  if (!(sigmaMin > 0 && sigmaMin < sigmaMax && sigmaMax < Infinity)) {
    const wanted = "0 < sigmaMin < sigmaMax < Infinity; leave both out to use those of the schedule";
    throw new RangeError(`EDM sigmas: got ${sigmaMin} to ${sigmaMax}, wanted ${wanted}`);
  }
  const [top, bottom] = [sigmaMax ** (1 / rho), sigmaMin ** (1 / rho)];
  return Float64Array.from(
    { length: steps },
    (_, i) => steps === 1 ? sigmaMax : (top + i / (steps - 1) * (bottom - top)) ** rho,
  );
}
