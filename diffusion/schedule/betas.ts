import { type Figures, type ScheduleName, scheduleOf } from "./names.ts";
import { rescaleZeroTerminalSnr } from "./zero_terminal_snr.ts";

/** A schedule of any length. Defaults: linearStart 1e-4, linearEnd 2e-2, cosineS 8e-3. */
export interface ScheduleShape extends Partial<Omit<Figures, "timesteps">> {
  readonly name: ScheduleName;
  /** True to rescale the finished schedule so that it ends in pure noise (Lin et al. 2023). Default false. */
  readonly zeroTerminalSnr?: boolean;
}

export type ScheduleSpec = ScheduleShape & Pick<Figures, "timesteps">;

/** Returns the betas of a schedule: float64 [T], each in (0, 1]; the last is 1 if the chain ends in pure noise. */
export function makeBetas(spec: ScheduleSpec): Float64Array {
  const betas = scheduleOf(spec.name).betas({ linearStart: 1e-4, linearEnd: 2e-2, cosineS: 8e-3, ...spec });
  return spec.zeroTerminalSnr === true ? rescaleZeroTerminalSnr(betas) : betas;
}
