import { makeBetas } from "../../diffusion/schedule/betas.ts";
import { tablesFiniteInFloat32 } from "../../diffusion/schedule/finite.ts";
import { priorKlBitsPerDim } from "../../diffusion/schedule/prior.ts";
import { makeTables } from "../../diffusion/schedule/tables.ts";
import type { RunOf } from "../../contract/stage.ts";
import { jsonText } from "../../artifacts/json_text.ts";
import { encodeTables, PLOT_FILE, SCHEDULE_FILE, scheduleFileSchema, TABLES_FILE } from "../../artifacts/schedule.ts";
import { toScheduleSpec } from "./params.ts";
import type { scheduleKind } from "./kind.ts";
import { plotSchedule } from "./plot.ts";

const run: RunOf<typeof scheduleKind> = async ({ params, outputs }) => {
  const spec = toScheduleSpec(params);
  const tables = makeTables(makeBetas(spec));
  const entry = tablesFiniteInFloat32(tables);
  if (entry !== undefined) {
    throw new Error(`Cannot happen: ${entry.table} at t=${entry.t} is ${entry.value} and passed the check`);
  }
  const { timesteps, snr } = tables;
  const file = {
    spec,
    timesteps,
    priorKlBitsPerDim: priorKlBitsPerDim(tables),
    snr: { first: snr[0]!, last: snr[timesteps - 1]! },
  };
  await outputs.schedule.write(SCHEDULE_FILE, jsonText(scheduleFileSchema.parse(file)));
  await outputs.schedule.write(TABLES_FILE, encodeTables(tables));
  const label = spec.zeroTerminalSnr ? `${spec.name} with zero terminal SNR` : spec.name;
  await outputs.schedule.write(PLOT_FILE, plotSchedule(label, tables));
};

export default run;
