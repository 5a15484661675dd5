import { z } from "zod";
import type { KnownNetwork, Path } from "../define.ts";
import { DATA_TIME } from "../path.ts";

/** The param `steps` of a sampler that visits evenly spaced timesteps. */
export function stepsParam(usual: number) {
  return z.int().min(1).max(1_000_000).default(usual).describe("Number of timesteps visited");
}

/** Spacings by huggingface/diffusers' names. With more than one step, `leading` never visits T - 1. */
export const spacing = z.enum(["leading", "trailing"]).default("trailing").describe(
  "Which timesteps are visited: trailing ends at T - 1, leading starts at 0 or one stride above; see docs/samplers.md",
);

/**
 * Returns `steps` falling times and the time of the image. `leading` is every floor(T / steps)-th time from 0 on, as in
 * diffusers' DDIM.
 */
export function spacedTimes(
  { steps, spacing }: { readonly steps: number; readonly spacing: "leading" | "trailing" },
  path: Pick<Path, "timesteps" | "times">,
): number[] {
  if (spacing === "trailing") return path.times(steps);
  const stride = Math.floor(path.timesteps / steps);
  return [...Array.from({ length: steps }, (_, i) => (steps - 1 - i) * stride), DATA_TIME];
}

/**
 * Reports a problem if there are more steps than timesteps.
 * @param leftOut number of timesteps that are never visited
 */
export function checkSteps(steps: number, { timesteps }: Pick<KnownNetwork, "timesteps">, leftOut = 0) {
  if (timesteps === undefined || steps <= timesteps - leftOut) return [];
  return [{
    param: ["steps"],
    message: "a sampler visits each timestep of the schedule at most once",
    got: `${steps}`,
    wanted: `at most ${timesteps - leftOut}, the timesteps of the checkpoint's schedule${leftOut ? " but 0" : ""}`,
    fix: `use steps: ${timesteps - leftOut} or fewer`,
  }];
}
