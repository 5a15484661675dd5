import { type ObjectiveName, targetMixture, x0Recovery } from "../../../diffusion/objective.ts";
import type { ReverseStep } from "../../../diffusion/samplers/reverse_step.ts";
import type { DiffusionTables } from "../../../diffusion/schedule/tables.ts";
import { reverseStepHost } from "../../support/diffusion_references.ts";

export interface ExactOptions {
  readonly tables: DiffusionTables;
  /** Variance s^2 of the data, N(0, s^2). */
  readonly dataVariance: number;
  /** Default `eps`. */
  readonly objective?: ObjectiveName;
  /** Deviation of what the chain starts from. Default 1. */
  readonly start?: number;
}

/**
 * Standard deviation of a chain's output for data N(0, s^2) and the network that is exact for them: the noise is
 * sqrt(1 - A) x / (A s^2 + 1 - A) and x_0 sqrt(A) s^2 x / (A s^2 + 1 - A). Each step is then linear in x, last x, last x0
 * and fresh noise (as long as x0 is not clipped, hence the small numbers), so that the chain is a sum of independent
 * deviations: one for x_T and one for each fresh noise.
 */
export function outputDeviation(steps: readonly ReverseStep[], options: ExactOptions): number {
  const { tables, dataVariance, objective = "eps", start = 1 } = options;
  const probe = 1e-4;
  // Entry 0 answers for x_T, entry k + 1 for the noise of step k.
  const length = steps.length + 1;
  let x = new Float64Array(length);
  x[0] = probe;
  let [lastX, lastX0]: Float64Array[] = [new Float64Array(length), new Float64Array(length)];
  steps.forEach((step, k) => {
    const at = { tables, t: step.t };
    const [signal, noise] = [tables.sqrtAlphasCumprod[step.t]!, tables.sqrtOneMinusAlphasCumprod[step.t]!];
    const total = signal ** 2 * dataVariance + noise ** 2;
    const target = targetMixture(objective, at);
    const slope = target.x0 * signal * dataVariance / total + target.noise * noise / total;
    const unit = new Float64Array(length);
    unit[k + 1] = probe;
    const extra = { none: unit, noise: unit, lastX: lastX!, lastX0: lastX0! }[step.extra];
    const next = reverseStepHost(step, x0Recovery(objective, at), { x, output: x.map((v) => slope * v), extra });
    [x, lastX, lastX0] = [Float64Array.from(next.x), x, next.x0];
  });
  x[0]! *= start;
  return Math.hypot(...x) / probe;
}
