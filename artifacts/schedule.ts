import { z } from "zod";
import type { InputArtifact, OutputArtifact, OwnDefinition } from "../engine/contract/stage.ts";
import type { Path } from "../science/diffusion/define.ts";
import {
  chainPath,
  definedPath,
  pathFacts,
  pathFromTable,
  priorKlOfPath,
  snrOf,
  tableOf,
} from "../science/diffusion/path.ts";
import { SCHEDULE_NAMES } from "../science/diffusion/schedule/betas.ts";
import { makeTables } from "../science/diffusion/schedule/tables.ts";
import { FormatError } from "../science/formats/format_error.ts";
import { decodeVectors, encodeVectors, vectorOf } from "../science/formats/vectors.ts";
import { ownRecordSchema } from "../schemas/definitions.ts";
import type { ScheduleFacts } from "./facts.ts";
import { definitionByDigest } from "./own_definitions.ts";
import { checked, readBytes, readJson, writeJson } from "./record.ts";

/** Artifact of type `schedule`: `schedule.json`, `tables.safetensors` and a plot of the tables for people. */
const SCHEDULE_FILE = "schedule.json";
const TABLES_FILE = "tables.safetensors";

/**
 * Largest allowed difference between a path's numbers on two machines, whose sines and powers may differ in the last
 * digits.
 */
const TOLERANCE = 1e-12;

export const scheduleSpecSchema = z.strictObject({
  name: z.enum(SCHEDULE_NAMES),
  timesteps: z.int().min(1),
  linearStart: z.number(),
  linearEnd: z.number(),
  cosineS: z.number(),
  /** Absent means false: checkpoints of schedules without it must not change by a byte. */
  zeroTerminalSnr: z.boolean().exactOptional(),
});

/** Betas that the user listed; the tables hold them. */
const ownBetasSchema = z.strictObject({
  betas: z.literal("own"),
  timesteps: z.int().min(1),
  zeroTerminalSnr: z.boolean().exactOptional(),
});

/** Specification of a path: a built-in schedule, the user's betas, or the user's definition. */
export const pathSpecSchema = z.union([
  scheduleSpecSchema,
  ownBetasSchema,
  ownRecordSchema.extend({ timesteps: z.int().min(1) }),
]);

export type PathSpec = z.output<typeof pathSpecSchema>;

const scheduleFileSchema = z.strictObject({
  spec: pathSpecSchema,
  timesteps: z.int().min(1),
  /** L_T of Ho et al. 2020 for E[x_0^2] = 1, the largest that images in [-1, 1] can have. */
  priorKlBitsPerDim: z.number(),
  /** Signal-to-noise ratio A / (1 - A) at the first and the last timestep. */
  snr: z.strictObject({ first: z.number(), last: z.number() }),
});

/** Encodes only the tables that determine the path: `betas` of a chain, else `signal` and `noise`. */
export function encodePath(path: Path): Uint8Array[] {
  return encodeVectors(path.continuous ? tableOf(path) : { betas: path.tables!.betas });
}

/**
 * Reads the path of a file that `writeSchedule` or `encodePath` made.
 *
 * @param own definitions of the project, for a user's path; undefined: the user's code is not run, and the path has
 * only the times of the stored tables
 * @throws FormatError if the file lacks the tables, they differ from those that the definition gives, or the definition
 * is not in the project
 */
export function pathOf(
  spec: PathSpec,
  { file, bytes, own }: Readonly<{ file: string; bytes: Uint8Array; own?: readonly OwnDefinition[] | undefined }>,
): Path {
  const stored = storedPath(spec, file, bytes);
  if (!("code" in spec) || own === undefined) return stored;
  const path = definedPath(definitionByDigest("path", spec, own), spec.params, spec.timesteps);
  for (let t = 0; t < spec.timesteps; t++) {
    for (const name of ["signal", "noise"] as const) {
      const [got, wanted] = [stored[name](t), path[name](t)];
      if (Math.abs(got - wanted) <= TOLERANCE * (1 + Math.abs(wanted))) continue;
      throw new FormatError(`${file}, ${name} at t=${t}`, { got: `${got}`, wanted: `${wanted}, as of ${spec.uses}` });
    }
  }
  return path;
}

function storedPath(spec: PathSpec, file: string, bytes: Uint8Array): Path {
  const { vectors } = decodeVectors(bytes);
  const table = (name: string) => vectorOf(vectors, name, { file, type: Float64Array, length: spec.timesteps });
  if ("code" in spec) return pathFromTable({ signal: table("signal"), noise: table("noise") });
  const betas = table("betas");
  return chainPath(checked(file, () => makeTables(betas)));
}

/**
 * Writes a schedule: its numbers, its tables, and a plot, as SVG. The tables are F64 [T] by name, for a chain all of
 * `DiffusionTables`, for a user's path also `signal` and `noise`.
 */
export async function writeSchedule(
  output: OutputArtifact,
  spec: PathSpec,
  { path, plot }: { path: Path; plot: string },
) {
  const [snr, priorKlBitsPerDim] = [snrOf(path), priorKlOfPath(path)];
  const { timesteps = path.timesteps, ...tables } = path.tables ?? {};
  const file = { spec, timesteps, priorKlBitsPerDim, snr: { first: snr[0]!, last: snr.at(-1)! } };
  await writeJson(output, SCHEDULE_FILE, file, scheduleFileSchema);
  await output.write(TABLES_FILE, encodeVectors({ ...tables, ...(path.continuous ? tableOf(path) : {}) }));
  await output.write("schedule.svg", plot);
}

/** @throws FormatError when the artifact's files are not those of kind `schedule`; see {@linkcode pathOf} */
export async function readSchedule(artifact: InputArtifact, own?: readonly OwnDefinition[]) {
  const { spec } = await readJson(artifact, SCHEDULE_FILE, scheduleFileSchema);
  return { spec, path: pathOf(spec, { file: TABLES_FILE, bytes: await readBytes(artifact, TABLES_FILE), own }) };
}

export { readSchedule as validate };

export async function facts(artifact: InputArtifact): Promise<ScheduleFacts> {
  const { spec, path } = await readSchedule(artifact);
  return { betas: nameOf(spec), ...pathFacts(path) };
}

/** Returns the name of a path for people. */
export function nameOf(spec: PathSpec): string {
  return "name" in spec ? spec.name : "uses" in spec ? spec.uses : "own betas";
}
