import { makeBetas, type ScheduleSpec } from "../schedule/betas.ts";
import { endsOf, SCHEDULE_NAMES } from "../schedule/names.ts";

/** A schedule with every parameter that has a default. */
export type FullScheduleSpec = Required<Omit<ScheduleSpec, "zeroTerminalSnr">> & Pick<ScheduleSpec, "zeroTerminalSnr">;

/** diffusers holds betas as float32: half a unit of the last place is 6e-8, and the file may have been through it. */
const TOLERANCE = 1e-6;

export const DEFAULT_ENDS = { linearStart: 1e-4, linearEnd: 2e-2 } as const;
/** The offset s that the cosine schedule of diffusers has built in; the default here as well. */
export const COSINE_S = 8e-3;

/**
 * The schedule that has these betas: one of `candidates`, else one of all names, with ends taken from the betas and
 * other parameters at their defaults; undefined where none has.
 *
 * @param betas float64 [T], T >= 1
 */
export function identifyBetas(
  betas: Float64Array,
  candidates: readonly FullScheduleSpec[],
): FullScheduleSpec | undefined {
  const [first, last] = [betas[0]!, betas.at(-1)!];
  const guesses = SCHEDULE_NAMES.map((name): FullScheduleSpec => {
    const ends = name === "ldm/sqrt"
      ? { linearStart: first ** 2, linearEnd: last ** 2 }
      : { linearStart: first, linearEnd: last };
    const used = Object.fromEntries(endsOf(name).map((end) => [end, ends[end]]));
    return { name, timesteps: betas.length, ...DEFAULT_ENDS, ...used, cosineS: COSINE_S };
  });
  return [...candidates, ...guesses].find((spec) => {
    if (spec.timesteps !== betas.length) return false;
    if (![spec.linearStart, spec.linearEnd].every((end) => end > 0 && end < 1)) return false;
    return makeBetas(spec).every((beta, t) => Math.abs(beta - betas[t]!) <= TOLERANCE * beta);
  });
}
