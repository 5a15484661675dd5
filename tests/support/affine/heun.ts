import { edmSigmas } from "../../../science/diffusion/samplers/heun.ts";
import type { DiffusionTables } from "../../../science/diffusion/schedule/tables.ts";
import type { ReverseStep } from "./reverse_step.ts";

export interface EdmOptions {
  readonly steps: number;
  readonly sigmaMin?: number;
  readonly sigmaMax?: number;
  readonly rho?: number;
}

/**
 * Heun's method on the noise levels of Karras et al. 2022 (algorithm 1), deterministic and of second order, for a
 * network that was trained on a variance-preserving chain: with sigma = sqrt(1 / A - 1), their y is x sqrt(1 +
 * sigma^2).
 *
 * Levels are rounded to the nearest of the chain's own levels, because the network knows no others (their code's
 * `round_sigma`); levels that round to the same timestep become one. Each level but the last takes two evaluations: an
 * Euler step, and its correction with the slope at the point that it reached. In x, for levels s and r = s', S = 1 /
 * sqrt(1 + s^2), R likewise: Euler: x' = R (r / (s S) x + (1 - r / s) x0); correction, at x' with its own x0 and the x
 * that Euler started from: x'' = (1 - s / (2 r)) x' - R (1 - s / r) / 2 x0 + R / (2 S) x.
 *
 * @param options sigmaMin defaults to the lowest level of the chain if that is above 0.002, sigmaMax to the highest if
 *   that is below 80
 * @throws RangeError when sigmaMin is not below sigmaMax
 */
export function heunSteps(tables: DiffusionTables, options: EdmOptions): ReverseStep[] {
  const timesteps = heunTimesteps(tables, options);
  return timesteps.flatMap((t, i): ReverseStep[] => {
    const next = timesteps[i + 1];
    if (next === undefined) return [{ t, coefX0: 1, coefXt: 0, coefExtra: 0, extra: "none" }];
    const [S, R] = [tables.sqrtAlphasCumprod[t]!, tables.sqrtAlphasCumprod[next]!];
    const [noise, nextNoise] = [tables.sqrtOneMinusAlphasCumprod[t]!, tables.sqrtOneMinusAlphasCumprod[next]!];
    // r / s, from noise = s S and nextNoise = r R.
    const ratio = nextNoise * S / (noise * R);
    return [
      { t, coefX0: R * (1 - ratio), coefXt: nextNoise / noise, coefExtra: 0, extra: "none" },
      {
        t: next,
        coefX0: -R * (1 - 1 / ratio) / 2,
        coefXt: 1 - 1 / (2 * ratio),
        coefExtra: R / (2 * S),
        extra: "lastX",
      },
    ];
  });
}

/** Returns the timesteps whose noise levels are visited, descending and distinct. */
export function heunTimesteps(tables: DiffusionTables, { steps, sigmaMin, sigmaMax, rho = 7 }: EdmOptions): number[] {
  const levels = tables.sqrtRecipm1AlphasCumprod;
  const [lowest, highest] = [levels[0]!, levels.at(-1)!];
  const sigmas = edmSigmas({
    steps,
    sigmaMin: sigmaMin ?? Math.max(0.002, lowest),
    sigmaMax: sigmaMax ?? Math.min(80, highest),
    rho,
  });
  return [...new Set(Array.from(sigmas, (sigma) => nearestLevel(levels, sigma)))];
}

/** @param levels ascending */
function nearestLevel(levels: Float64Array, sigma: number): number {
  const above = levels.findIndex((level) => level >= sigma);
  if (above < 0) return levels.length - 1;
  return above > 0 && sigma - levels[above - 1]! < levels[above]! - sigma ? above - 1 : above;
}
