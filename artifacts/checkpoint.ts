import { z } from "zod";
import type { InputArtifact, OutputArtifact } from "../contract/stage.ts";
import { learnsVariance } from "../diffusion/model_output.ts";
import { type ObjectiveName, OBJECTIVES } from "../diffusion/objective.ts";
import { chainPath } from "../diffusion/path.ts";
import type { DiffusionTables } from "../diffusion/schedule/tables.ts";
import type { UnetConfig } from "../diffusion/unet/config.ts";
import { packParameters, unpackParameters } from "../diffusion/unet/pack.ts";
import { unetParameterSpecs } from "../diffusion/unet/parameters.ts";
import { FormatError } from "../formats/format_error.ts";
import { decodeSafetensors, encodeSafetensors } from "../formats/safetensors.ts";
import type { CheckpointFacts } from "./facts.ts";
import { classNamesOf, type Labels } from "./labels.ts";
import type { Metrics } from "./metrics.ts";
import { checked, checkWeights, readBytes, readJson, writeJson } from "./record.ts";
import { encodePath, pathSpecSchema, storedPath } from "./schedule.ts";

/** Artifact of type `checkpoint`: raw and averaged weights by name, the betas, and `config.json`. */
const CONFIG_FILE = "config.json";
const BETAS_FILE = "schedule.safetensors";
const WEIGHT_FILES = { raw: "weights.safetensors", ema: "ema.safetensors" } as const;

const size = z.int().min(1);

const configSchema = z.strictObject({
  model: z.strictObject({
    imageSize: size,
    inChannels: size,
    outChannels: size,
    channels: size,
    multipliers: z.array(size).max(32).readonly(),
    blocks: size.max(1_000),
    attention: z.array(size).readonly(),
    /** Number of classes of a class-conditional network. */
    classes: size.exactOptional(),
  }),
  images: z.strictObject({ height: size, width: size, channels: size, source: z.record(z.string(), z.unknown()) }),
  schedule: pathSpecSchema,
  timesteps: size,
  /** Updates that the weights have seen; 0 where an imported checkpoint does not say. */
  step: z.int().min(0),
  parameters: size,
  ema: z.strictObject({ decay: z.number(), warmup: z.boolean() }),
  /** Seed of the initial weights, the order of the images and the noise. */
  seed: z.int().min(0),
  /** What the network predicts. Absent is eps: checkpoints of it must not change by a byte. */
  objective: z.enum(OBJECTIVES).exactOptional(),
  /** Of an imported network: what its scheduler file says otherwise than an export would. */
  scheduler: z.record(z.string(), z.unknown()).exactOptional(),
});

type CheckpointConfig = z.output<typeof configSchema>;
export type WeightsName = keyof typeof WEIGHT_FILES;

export interface CheckpointToWrite {
  readonly config: CheckpointConfig;
  readonly tables: DiffusionTables;
  /** Flat parameter vectors [P], see `packParameters`. */
  readonly params: Float32Array;
  readonly ema: Float32Array;
}

export interface StoredCheckpoint {
  readonly config: CheckpointConfig;
  readonly tables: DiffusionTables;
  /** The chosen weights, flat [P]. */
  readonly params: Float32Array<ArrayBuffer>;
}

export async function writeCheckpoint(output: OutputArtifact, { config, tables, params, ema }: CheckpointToWrite) {
  for (const [name, flat] of [["raw", params], ["ema", ema]] as const) checkWeights(WEIGHT_FILES[name], flat);
  await writeJson(output, CONFIG_FILE, config, configSchema);
  await output.write(BETAS_FILE, encodePath(chainPath(tables)));
  await output.write(WEIGHT_FILES.raw, encodeWeights(params, config.model));
  await output.write(WEIGHT_FILES.ema, encodeWeights(ema, config.model));
}

/** @throws FormatError when the artifact's files are not those of `writeCheckpoint`, or weights are not finite */
export async function readCheckpoint(artifact: InputArtifact, weights: WeightsName): Promise<StoredCheckpoint> {
  const config = await readJson(artifact, CONFIG_FILE, configSchema);
  const { schedule, timesteps } = config;
  if (schedule.timesteps !== timesteps) {
    throw new FormatError(CONFIG_FILE, {
      got: `a schedule of ${schedule.timesteps}`,
      wanted: `${timesteps} timesteps`,
    });
  }
  const tables = storedPath(schedule, BETAS_FILE, await readBytes(artifact, BETAS_FILE)).tables!;
  const file = WEIGHT_FILES[weights];
  const { tensors } = decodeSafetensors(await readBytes(artifact, file));
  const named: Record<string, Float32Array> = {};
  for (const [name, { dtype, data }] of Object.entries(tensors)) {
    if (!(data instanceof Float32Array)) throw new FormatError(`${file}, ${name}`, { got: dtype, wanted: "F32" });
    checkWeights(`${file}, ${name}`, data);
    named[name] = data;
  }
  const params = checked(file, () => packParameters(named, config.model));
  return { config, tables, params };
}

export async function validate(artifact: InputArtifact): Promise<void> {
  for (const weights of ["raw", "ema"] as const) await readCheckpoint(artifact, weights);
}

export async function facts(artifact: InputArtifact): Promise<CheckpointFacts> {
  const config = await readJson(artifact, CONFIG_FILE, configSchema);
  const { images: { height, width, channels }, model, timesteps } = config;
  const told = { classes: null, ...toldLabels(config) };
  const network = { learnedVariance: learnsVariance(model), network: model, objective: objectiveOf(config) };
  return { height, width, channels, ...told, timesteps, ...network };
}

/** What the network of a checkpoint predicts. */
export function objectiveOf({ objective = "eps" }: Pick<CheckpointConfig, "objective">): ObjectiveName {
  return objective;
}

/** The classes of a class-conditional network; no `classes` for another. */
export function toldLabels({ model, images }: Pick<CheckpointConfig, "model" | "images">): Partial<Labels> {
  return {
    ...(model.classes === undefined ? {} : { classes: model.classes }),
    classNames: classNamesOf(images.source),
  };
}

/** What a metrics record says about the network that was measured. */
export function describeModel(
  artifact: InputArtifact,
  { config }: StoredCheckpoint,
  weights: WeightsName,
): NonNullable<Metrics["model"]> {
  const { step, parameters, schedule } = config;
  return { digest: artifact.digest, weights, step, parameters, schedule };
}

function encodeWeights(flat: Float32Array, model: UnetConfig): Uint8Array<ArrayBuffer> {
  const named = unpackParameters(flat, model);
  const tensors = Object.fromEntries(
    unetParameterSpecs(model).map(({ name, shape }) => [name, { dtype: "F32" as const, shape, data: named[name]! }]),
  );
  return encodeSafetensors({ tensors });
}
