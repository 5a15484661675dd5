import { type ScheduleName, scheduleOf } from "./names.ts";
import { rescaleZeroTerminalSnr } from "./zero_terminal_snr.ts";

export interface ScheduleShape {
  readonly name: ScheduleName;
  /** First beta, in (0, 1), or its square; `endsOf` says who uses it. Default 1e-4. */
  readonly linearStart?: number;
  /** Last beta, in (0, 1), or its square; `endsOf` says who uses it. Default 2e-2. */
  readonly linearEnd?: number;
  /** Offset s >= 0 of a cosine (Nichol & Dhariwal 2021, eq. 17). Default 8e-3. */
  readonly cosineS?: number;
  /** Rescale the finished schedule to end in pure noise (Lin et al. 2023). Default false. */
  readonly zeroTerminalSnr?: boolean;
}

export interface ScheduleSpec extends ScheduleShape {
  /** T, the number of diffusion steps; an integer >= 1. */
  readonly timesteps: number;
}

/**
 * The betas of a schedule: float64 [T], each in (0, 1]; the last is 1 where the chain ends in pure noise.
 */
export function makeBetas(spec: ScheduleSpec): Float64Array {
  const betas = scheduleOf(spec.name).betas({ linearStart: 1e-4, linearEnd: 2e-2, cosineS: 8e-3, ...spec });
  return spec.zeroTerminalSnr === true ? rescaleZeroTerminalSnr(betas) : betas;
}
