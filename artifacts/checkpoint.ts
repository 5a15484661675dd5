import { z } from "zod";
import type { InputArtifact, OutputArtifact, OwnDefinition } from "../engine/contract/stage.ts";
import type { NetworkSizes, Path } from "../science/diffusion/define.ts";
import { learnsVariance, makeNetwork, type Network, packParameters } from "../science/diffusion/network.ts";
import { BUILTIN_NETWORK } from "../science/diffusion/networks.ts";
import { formOf } from "../science/diffusion/normalizer.ts";
import { makeObjective, type Objective } from "../science/diffusion/objective.ts";
import { builtinObjective, DEFAULT_OBJECTIVE, OBJECTIVE_NAMES } from "../science/diffusion/objectives.ts";
import { discretized, pathFacts } from "../science/diffusion/path.ts";
import { refuse } from "../science/formats/format_error.ts";
import { isOwn, ownRecordSchema } from "../schemas/definitions.ts";
import { definedOnly } from "../std/defined_only.ts";
import { type CheckpointFacts, latentFact } from "./facts.ts";
import { classNamesOf, type Labels } from "./labels.ts";
import { definitionByDigest } from "./own_definitions.ts";
import { checked, readBytes, readJson, writeJson } from "./record.ts";
import { encodePath, nameOf, pathOf, pathSpecSchema } from "./schedule.ts";
import { averagesRecord, imagesRecord, readWeights, weightFile, weightNames, writeWeights } from "./weights.ts";

/** Artifact of type `checkpoint`: raw and averaged weights by name, the path, and `config.json`. */
const CONFIG_FILE = "config.json";
const PATH_FILE = "schedule.safetensors";

const size = z.int().min(1);

/** Record of a network that the user wrote: data alone. Its code is in the project. */
const ownNetworkSchema = ownRecordSchema.extend({
  height: size,
  width: size,
  inChannels: size,
  outChannels: size,
  classes: size.exactOptional(),
  augmentation: size.exactOptional(),
});

const configSchema = z.strictObject({
  model: z.union([BUILTIN_NETWORK.record, ownNetworkSchema]),
  images: imagesRecord,
  schedule: pathSpecSchema,
  timesteps: size,
  /** Number of updates that the weights have had; 0 if an imported checkpoint does not say. */
  step: z.int().min(0),
  parameters: size,
  ema: averagesRecord,
  /** Seed of the initial weights, the order of the images and the noise. */
  seed: z.int().min(0),
  /**
   * The objective, which says what the network predicts. Absent means eps: checkpoints of eps must not change by a
   * byte.
   */
  objective: z.union([z.enum(OBJECTIVE_NAMES), ownRecordSchema]).exactOptional(),
  /** File name of the only sampler that can use the network. */
  ownSampler: z.string().min(1).max(255).exactOptional(),
  /** The checkpoint that a training started from. */
  start: z.strictObject({
    digest: z.string(),
    weights: z.string(),
    /** Its `step`. */
    step: z.int().min(0),
    /** Names of the parameters that it did not have. */
    initialised: z.array(z.string()).readonly(),
  }).exactOptional(),
  /** The patterns of parameters that the training left as they were. Absent: none. */
  freeze: z.array(z.string()).readonly().exactOptional(),
  /** For an imported network: the settings of its scheduler file that differ from those that an export would write. */
  scheduler: z.record(z.string(), z.unknown()).exactOptional(),
});

type CheckpointConfig = z.output<typeof configSchema>;
export type NetworkRecord = CheckpointConfig["model"];

export interface CheckpointToWrite {
  readonly config: CheckpointConfig;
  readonly network: Pick<Network, "parameters" | "count">;
  readonly path: Path;
  /** Flat parameter vectors [P]: `raw`, `ema` and those that `config.ema.others` names. */
  readonly weights: Readonly<Record<string, Float32Array>>;
}

/** Returns the files that `readCheckpoint` reads when it is asked for these weights. */
export function filesOf(weights: string): string[] {
  return [CONFIG_FILE, PATH_FILE, weightFile(weights)];
}

export type StoredCheckpoint = Readonly<Awaited<ReturnType<typeof readCheckpoint>>>;

export async function writeCheckpoint(
  output: OutputArtifact,
  { config, network, path, weights }: CheckpointToWrite,
) {
  await writeJson(output, CONFIG_FILE, config, configSchema);
  await output.write(PATH_FILE, encodePath(path));
  await writeWeights(output, network, weights);
}

/**
 * Reads a checkpoint.
 *
 * @param own the user's definitions that the stage was given: `context.definitions`
 * @throws FormatError when the artifact's files are not those of `writeCheckpoint`, weights are not finite, or a
 * definition that the checkpoint was made with is not among `own`
 */
export async function readCheckpoint(
  artifact: InputArtifact,
  weights: string,
  own: readonly OwnDefinition[],
) {
  const config = await readJson(artifact, CONFIG_FILE, configSchema);
  const stored = await readPath(artifact, config, own);
  const network = await networkOf(config.model, own);
  const objective = objectiveOf(config, own);
  const whole = objective.definition.needs === "chain" || learnsVariance(network.sizes);
  const { named } = await readWeights(artifact, weights, config.parameters);
  return {
    config,
    network,
    /** The objective that the network was trained with. */
    objective,
    path: whole ? discretized(stored) : stored,
    /** The form of the images that the network was trained on, and of those that it samples. */
    form: formOf(config.images),
    /** The chosen weights, flat [P]. */
    params: checked(weightFile(weights), () => packParameters(named, network)),
  };
}

/** Reads a checkpoint's weights by name with their shapes, without the code of its network. */
export async function readStart(artifact: InputArtifact, weights: string) {
  const config = await readJson(artifact, CONFIG_FILE, configSchema);
  return { config, ...await readWeights(artifact, weights, config.parameters) };
}

/** @param own undefined: the user's code is not run, and the path has only the times of the stored tables */
async function readPath(
  artifact: InputArtifact,
  { schedule, timesteps }: CheckpointConfig,
  own?: readonly OwnDefinition[],
): Promise<Path> {
  if (schedule.timesteps !== timesteps) {
    refuse(CONFIG_FILE, `a schedule of ${schedule.timesteps}`, `${timesteps} timesteps`);
  }
  return pathOf(schedule, { file: PATH_FILE, bytes: await readBytes(artifact, PATH_FILE), own });
}

/** Builds the network that a record describes. @throws FormatError where it cannot be built */
export async function networkOf(record: NetworkRecord, own: readonly OwnDefinition[]): Promise<Network> {
  const sizes = sizesOf(record);
  const definition = "uses" in record ? definitionByDigest("network", record, own) : await BUILTIN_NETWORK.load();
  const params = "uses" in record ? record.params : record;
  return checked(`${CONFIG_FILE}, model`, () => makeNetwork(sizes, definition.build(sizes, params)));
}

/** Returns the image size, channels and classes that a network is built for. */
function sizesOf(record: NetworkRecord): NetworkSizes {
  if (!("uses" in record)) return BUILTIN_NETWORK.sizesOf(record);
  const { uses: _uses, code: _code, params: _params, inChannels: channels, ...sizes } = record;
  return { ...sizes, channels };
}

/**
 * Returns a network's objective, found by its name or record.
 * @throws FormatError if the project does not have its code
 */
export function objectiveOf(
  { objective = DEFAULT_OBJECTIVE }: Pick<CheckpointConfig, "objective">,
  own: readonly OwnDefinition[],
): Objective {
  if (!isOwn(objective)) return builtinObjective(objective);
  return makeObjective(definitionByDigest("objective", objective, own), objective.params);
}

/** Checks a checkpoint without user code: the shapes of a user's network are taken from the weight files. */
export async function validate(artifact: InputArtifact): Promise<void> {
  const config = await readJson(artifact, CONFIG_FILE, configSchema);
  await readPath(artifact, config);
  const network = "uses" in config.model ? undefined : await networkOf(config.model, []);
  for (const weights of weightNames(config)) {
    const { named } = await readWeights(artifact, weights, config.parameters);
    if (network !== undefined) checked(weightFile(weights), () => packParameters(named, network));
  }
}

export async function facts(artifact: InputArtifact): Promise<CheckpointFacts> {
  const config = await readJson(artifact, CONFIG_FILE, configSchema);
  const { images: { height, width, channels, dtype, encoder }, model, timesteps, objective = DEFAULT_OBJECTIVE } =
    config;
  const told = { classes: null, ...labelFacts(config) };
  return {
    ...{ height, width, channels, ...definedOnly({ dtype }), ...latentFact(encoder), ...told, timesteps },
    variancePreserving: pathFacts(await readPath(artifact, config)).variancePreserving,
    learnedVariance: learnsVariance(sizesOf(model)),
    network: model,
    objective,
    averages: Object.keys(config.ema.others ?? {}),
    betas: nameOf(config.schedule),
    ownSampler: config.ownSampler,
  };
}

/** The classes of a class-conditional network; without `classes` for any other network. */
export function labelFacts({ model, images }: Pick<CheckpointConfig, "model" | "images">): Partial<Labels> {
  return {
    ...(model.classes === undefined ? {} : { classes: model.classes }),
    classNames: classNamesOf(images.source),
  };
}

/** Describes the measured network for a metrics record. */
export function describeModel(artifact: InputArtifact, { config }: StoredCheckpoint, weights: string) {
  const { step, parameters, schedule } = config;
  return { digest: artifact.digest, weights, step, parameters, schedule };
}
