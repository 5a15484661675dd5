import { z } from "zod";
import type { InputArtifact } from "../contract/stage.ts";
import { SCHEDULE_NAMES } from "../diffusion/schedule/names.ts";
import { type DiffusionTables, makeTables, type TableName } from "../diffusion/schedule/tables.ts";
import { hasZeroTerminalSnr } from "../diffusion/schedule/zero_terminal_snr.ts";
import { FormatError } from "../formats/format_error.ts";
import { decodeSafetensors, encodeSafetensors } from "../formats/safetensors.ts";
import type { ScheduleFacts } from "./facts.ts";
import { checked, readBytes, readJson } from "./record.ts";

/** Artifact of type `schedule`: `schedule.json`, `tables.safetensors` and a picture of them for people. */
export const SCHEDULE_FILE = "schedule.json";
export const TABLES_FILE = "tables.safetensors";
export const PLOT_FILE = "schedule.svg";

export const scheduleSpecSchema = z.strictObject({
  name: z.enum(SCHEDULE_NAMES),
  timesteps: z.int().min(1),
  linearStart: z.number(),
  linearEnd: z.number(),
  cosineS: z.number(),
  /** Absent is false: checkpoints of schedules without it must not change by a byte. */
  zeroTerminalSnr: z.boolean().exactOptional(),
});

export const scheduleFileSchema = z.strictObject({
  spec: scheduleSpecSchema,
  timesteps: z.int().min(1),
  /** L_T of Ho et al. 2020 for E[x_0^2] = 1, the most that images in [-1, 1] can have. */
  priorKlBitsPerDim: z.number(),
  /** Signal to noise ratio A / (1 - A) at the first and the last timestep. */
  snr: z.strictObject({ first: z.number(), last: z.number() }),
});

export interface StoredSchedule {
  readonly spec: z.output<typeof scheduleSpecSchema>;
  readonly tables: DiffusionTables;
}

/** Every table as F64 [T], under its name in `DiffusionTables`. */
export function encodeTables(tables: DiffusionTables): Uint8Array<ArrayBuffer> {
  const { timesteps, ...rest } = tables;
  const tensors = Object.fromEntries(
    Object.entries(rest as Record<TableName, Float64Array>).map(([name, values]) => [
      name,
      { dtype: "F64" as const, shape: [timesteps], data: Float64Array.from(values) },
    ]),
  );
  return encodeSafetensors({ tensors });
}

/** @throws FormatError when the artifact's files are not those of kind `schedule` */
export async function readSchedule(artifact: InputArtifact): Promise<StoredSchedule> {
  const { spec } = await readJson(artifact, SCHEDULE_FILE, scheduleFileSchema);
  return { spec, tables: tablesOf(TABLES_FILE, await readBytes(artifact, TABLES_FILE)) };
}

export { readSchedule as validate };

export async function facts(artifact: InputArtifact): Promise<ScheduleFacts> {
  const { spec, tables } = await readSchedule(artifact);
  return { timesteps: tables.timesteps, betas: spec.name, zeroTerminalSnr: hasZeroTerminalSnr(tables), variancePreserving: true };
}

/** Betas alone, F64 [T]: all other tables follow from them. */
export function encodeBetas(tables: DiffusionTables): Uint8Array<ArrayBuffer> {
  const data = Float64Array.from(tables.betas);
  return encodeSafetensors({ tensors: { betas: { dtype: "F64", shape: [data.length], data } } });
}

/** The tables of the betas in a file of `encodeTables` or `encodeBetas`. @throws FormatError where they are no betas */
export function tablesOf(file: string, bytes: Uint8Array): DiffusionTables {
  const betas = decodeSafetensors(bytes).tensors["betas"];
  if (!(betas?.data instanceof Float64Array)) {
    throw new FormatError(`${file}, tensor betas`, { got: betas?.dtype ?? "none", wanted: "F64" });
  }
  const { data } = betas;
  return checked(file, () => makeTables(data));
}
