import { roundHalfToEven } from "../../../science/diffusion/schedule/respace.ts";

/** The timesteps that a shortened chain visits. */
export interface TimestepSpacing {
  /** Steps of the shortened chain, in [1, T]. */
  readonly steps: number;
  /**
   * By huggingface/diffusers' names: `leading` is every floor(T / steps)-th timestep from 0 (it never visits T - 1), in
   * DPM-Solver++ every floor(T / (steps + 1))-th from the first one above 0; `trailing` counts down from T - 1 in
   * strides of T / steps.
   */
  readonly spacing: "leading" | "trailing";
  /** True for the variant of DPM-Solver++. Default: false. */
  readonly aboveZero?: boolean;
}

/**
 * Returns the visited timesteps, descending; all distinct.
 * @param total T
 */
export function spacedTimesteps(total: number, { steps, spacing, aboveZero }: TimestepSpacing): number[] {
  const stride = Math.floor(total / (aboveZero ? steps + 1 : steps));
  return Array.from({ length: steps }, (_, i) => {
    return spacing === "leading"
      ? (steps - (aboveZero ? 0 : 1) - i) * stride
      : roundHalfToEven(total - i * total / steps) - 1;
  });
}
