import type { ScheduleSpec } from "../../diffusion/schedule/betas.ts";
import type { ScheduleParams } from "../../schemas/kinds/schedule.ts";

/** The params of a `schedule` stage as the diffusion code names them. */
export function toScheduleSpec({ betas, ...rest }: ScheduleParams): ScheduleSpec {
  return { name: betas, ...rest };
}
