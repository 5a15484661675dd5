import type { z } from "zod";
import type { ScheduleParams } from "../stages/schedule/params.ts";
import type { scheduleSpecSchema } from "./schedule.ts";

type StoredSpec = z.output<typeof scheduleSpecSchema>;

/** The params of a `schedule` stage as the diffusion code names them, a `ScheduleSpec`, and as they are stored. */
export function toScheduleSpec({ betas, zeroTerminalSnr, ...rest }: ScheduleParams): StoredSpec {
  return { name: betas, ...rest, ...(zeroTerminalSnr ? { zeroTerminalSnr } : {}) };
}
