import { roundHalfToEven } from "../../../diffusion/schedule/round_half_to_even.ts";

/** Which timesteps a shortened chain visits. */
export interface TimestepSpacing {
  /** Steps of the shortened chain, in [1, T]. */
  readonly steps: number;
  /**
   * By huggingface/diffusers' names: `leading` is every floor(T / steps)-th from 0 (it never visits T - 1), `trailing`
   * counts down from T - 1 in strides of T / steps.
   */
  readonly spacing: "leading" | "trailing";
}

/** The visited timesteps, descending; all distinct. @param total T */
export function spacedTimesteps(total: number, { steps, spacing }: TimestepSpacing): number[] {
  const stride = Math.floor(total / steps);
  return Array.from({ length: steps }, (_, i) => {
    return spacing === "leading" ? (steps - 1 - i) * stride : roundHalfToEven(total - i * total / steps) - 1;
  });
}
