/**
 * Beta schedules of latent diffusion (CompVis/latent-diffusion, `make_beta_schedule`), in float64.
 *
 * The family is part of the name because the same word means different things elsewhere: `ldm/linear` is linear in
 * sqrt(beta) (Ho et al. call that "quad"), and `ldm/sqrt_linear` is linear in beta (Ho et al. call that "linear").
 */

export const SCHEDULE_NAMES = ["ldm/linear", "ldm/cosine", "ldm/sqrt_linear", "ldm/sqrt"] as const;

export type ScheduleName = typeof SCHEDULE_NAMES[number];

export interface ScheduleShape {
  readonly name: ScheduleName;
  /** First beta, in (0, 1); its square root under `ldm/sqrt`. Not used by `ldm/cosine`. Default 1e-4. */
  readonly linearStart?: number;
  /** Last beta, in (0, 1); its square root under `ldm/sqrt`. Not used by `ldm/cosine`. Default 2e-2. */
  readonly linearEnd?: number;
  /** Offset s >= 0 of the cosine schedule (Nichol & Dhariwal 2021, eq. 17). Default 8e-3. */
  readonly cosineS?: number;
}

export interface ScheduleSpec extends ScheduleShape {
  /** T, the number of diffusion steps; an integer >= 1. */
  readonly timesteps: number;
}

/** Nichol & Dhariwal 2021, section 3.2: no beta above this, or the chain has a singular step at its end. */
export const COSINE_MAX_BETA = 0.999;

/**
 * The betas of a schedule: float64 [T], each in (0, 1).
 *
 * @throws RangeError for an unknown name, a T that is not an integer >= 1, or ends outside (0, 1).
 */
export function makeBetas(spec: ScheduleSpec): Float64Array {
  const { name, timesteps, linearStart = 1e-4, linearEnd = 2e-2, cosineS = 8e-3 } = spec;
  checkSpec(name, timesteps, linearStart, linearEnd, cosineS);
  switch (name) {
    case "ldm/linear":
      return linspace(Math.sqrt(linearStart), Math.sqrt(linearEnd), timesteps).map((root) => root * root);
    case "ldm/cosine":
      return cosineBetas(timesteps, cosineS);
    case "ldm/sqrt_linear":
      return linspace(linearStart, linearEnd, timesteps);
    case "ldm/sqrt":
      return linspace(linearStart, linearEnd, timesteps).map(Math.sqrt);
  }
}

/** Counts from the nearer end, as torch.linspace does: both ends are exact. One point is the start. */
function linspace(start: number, end: number, count: number): Float64Array {
  const step = count > 1 ? (end - start) / (count - 1) : 0;
  return Float64Array.from(
    { length: count },
    (_, i) => i < count / 2 ? start + step * i : end - step * (count - 1 - i),
  );
}

function cosineBetas(timesteps: number, cosineS: number): Float64Array {
  const signal = (i: number) => Math.cos((i / timesteps + cosineS) / (1 + cosineS) * Math.PI / 2) ** 2;
  return Float64Array.from(
    { length: timesteps },
    (_, t) => Math.min(1 - signal(t + 1) / signal(t), COSINE_MAX_BETA),
  );
}

function checkSpec(name: ScheduleName, timesteps: number, start: number, end: number, cosineS: number): void {
  if (!SCHEDULE_NAMES.includes(name)) {
    throw new RangeError(
      `Unknown beta schedule: got ${JSON.stringify(name)}, wanted one of ${SCHEDULE_NAMES.join(", ")}`,
    );
  }
  if (!Number.isInteger(timesteps) || timesteps < 1) {
    throw new RangeError(`Timesteps of a beta schedule: got ${timesteps}, wanted an integer >= 1`);
  }
  for (const [field, value] of [["linearStart", start], ["linearEnd", end]] as const) {
    if (!(value > 0 && value < 1)) throw new RangeError(`${field} of a beta schedule: got ${value}, wanted 0 < x < 1`);
  }
  if (!(cosineS >= 0 && cosineS < Infinity)) {
    throw new RangeError(`cosineS of a beta schedule: got ${cosineS}, wanted a finite number >= 0`);
  }
}
