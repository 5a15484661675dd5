import { jsonText } from "../../artifacts/record.ts";
import { encodeTables, PLOT_FILE, SCHEDULE_FILE, scheduleFileSchema, TABLES_FILE } from "../../artifacts/schedule.ts";
import type { RunOf } from "../../contract/stage.ts";
import { chainPath } from "../../diffusion/path.ts";
import { makeBetas } from "../../diffusion/schedule/betas.ts";
import { priorKlBitsPerDim } from "../../diffusion/schedule/prior.ts";
import { type DiffusionTables, makeTables } from "../../diffusion/schedule/tables.ts";
import { lineChartsSvg } from "../../formats/line_charts.ts";
import type { scheduleKind } from "./kind.ts";
import { toScheduleSpec } from "./params.ts";

export default (async ({ params, outputs }) => {
  const spec = toScheduleSpec(params);
  const tables = makeTables(makeBetas(spec));
  const { timesteps, snr } = tables;
  const file = {
    spec,
    timesteps,
    priorKlBitsPerDim: priorKlBitsPerDim(tables),
    snr: { first: snr[0]!, last: snr[timesteps - 1]! },
  };
  await outputs.schedule.write(SCHEDULE_FILE, jsonText(scheduleFileSchema.parse(file)));
  await outputs.schedule.write(TABLES_FILE, encodeTables(chainPath(tables)));
  const label = spec.zeroTerminalSnr ? `${spec.name} with zero terminal SNR` : spec.name;
  await outputs.schedule.write(PLOT_FILE, plotSchedule(label, tables));
}) satisfies RunOf<typeof scheduleKind>;

/** Colours of Okabe and Ito 2008, which people with any colour vision can tell apart. */
const [BLUE, VERMILION, GREEN] = ["#0072b2", "#d55e00", "#009e73"];
const X_LABEL = "timestep t";

/** A picture of a schedule, as SVG: betas, alphasCumprod and log-SNR by timestep. */
export function plotSchedule(label: string, tables: DiffusionTables): string {
  const { betas, alphasCumprod, snr, timesteps } = tables;
  const logSnr = snr.map(Math.log);
  const prior = shortNumber(priorKlBitsPerDim(tables));
  return lineChartsSvg([
    { title: "beta", note: `log scale; ${ends(betas)}`, xLabel: X_LABEL, values: betas, color: BLUE, scale: "log" },
    {
      title: "alphasCumprod, the signal that is left",
      note: ends(alphasCumprod),
      xLabel: X_LABEL,
      values: alphasCumprod,
      color: VERMILION,
      scale: "linear",
      range: [0, 1],
    },
    {
      title: "log-SNR, ln(A / (1 - A))",
      note: ends(logSnr),
      xLabel: X_LABEL,
      values: logSnr,
      color: GREEN,
      scale: "linear",
      mark: { y: 0, label: "SNR = 1" },
    },
  ], {
    title: `${label}, T = ${timesteps}; prior KL ${prior} bits per dimension`,
    description: `Three charts over the timesteps of a noise schedule. beta: ${ends(betas)}. alphasCumprod: ` +
      `${ends(alphasCumprod)}. Natural logarithm of the signal to noise ratio: ${ends(logSnr)}.`,
  });
}

function ends(values: Float64Array): string {
  const [first, last] = [shortNumber(values[0]!), shortNumber(values.at(-1)!)];
  return first === last ? `${first} throughout` : `from ${first} to ${last}`;
}

/** Three digits, and words where there are none. */
function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return value < 0 ? "minus infinity" : "infinity";
  const short = Number(value.toPrecision(3));
  return short !== 0 && Math.abs(short) < 0.01 ? short.toExponential() : `${short}`;
}
