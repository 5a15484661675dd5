import { join, posix } from "node:path";
import { z } from "zod";
import { type CheckpointToWrite, networkOf, writeCheckpoint } from "../../artifacts/checkpoint.ts";
import { checked, parseJson, parseRecord } from "../../artifacts/record.ts";
import { scheduleSpecSchema } from "../../artifacts/schedule.ts";
import type { RunOf } from "../../contract/stage.ts";
import type { Translated } from "../../diffusion/interchange/problem.ts";
import { schedulerConfigSchema, unet2dConfigSchema } from "../../diffusion/interchange/config_schemas.ts";
import { fromChainConfig, toChainConfig } from "../../diffusion/interchange/scheduler_config.ts";
import { fromUnet2dConfig } from "../../diffusion/interchange/unet2d_config.ts";
import { fromUnet2dTensors } from "../../diffusion/interchange/unet2d_tensors.ts";
import { learnsVariance, packParameters } from "../../diffusion/network.ts";
import { builtinObjective, DEFAULT_OBJECTIVE } from "../../diffusion/objectives.ts";
import { chainPath } from "../../diffusion/path.ts";
import { makeTables } from "../../diffusion/schedule/tables.ts";
import { hasZeroTerminalSnr } from "../../diffusion/schedule/betas.ts";
import { FormatError } from "../../formats/format_error.ts";
import { decodeSafetensors, floatsOf } from "../../formats/safetensors.ts";
import { checkPrediction, failedBy } from "../shared/checks.ts";
import { objectiveFacts } from "../shared/describe_definition.ts";
import { DIFFUSERS_FILES, METADATA_KEY } from "../shared/diffusers_files.ts";
import type { importKind } from "./kind.ts";

/** The metadata that an export stores with the weights. */
const provenanceSchema = z.object({
  source: z.record(z.string(), z.unknown()),
  step: z.int().min(0),
  seed: z.int().min(0),
  ema: z.strictObject({ decay: z.number(), warmup: z.boolean() }),
  schedule: scheduleSpecSchema,
});

export default (async ({ params, outputs }) => {
  try {
    const imported = await fromDiffusers(params.path);
    if ("problem" in imported) return failedBy(imported.problem);
    await writeCheckpoint(outputs.checkpoint, imported.value);
    return undefined;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const fix = "save the whole folder again with save_pretrained(folder, safe_serialization=True), in float32";
    return { status: "failed", message: error.message, fix };
  }
}) satisfies RunOf<typeof importKind>;

/** @throws FormatError where there is no such file */
async function readBytes(folder: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
  // As in the library: older folders have the files of both parts side by side.
  for (const path of [name, posix.basename(name)]) {
    try {
      return await Deno.readFile(join(folder, path));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new FormatError(name, { got: "no file", wanted: "a file of this name" });
}

/**
 * Returns the checkpoint of a `DDPMPipeline`'s folder, or why its network or chain cannot be expressed in noiseline.
 * @throws FormatError for a file that is missing or broken
 */
async function fromDiffusers(folder: string): Promise<Translated<CheckpointToWrite>> {
  const unetConfig = await readJson(folder, DIFFUSERS_FILES.unetConfig, unet2dConfigSchema);
  const model = fromUnet2dConfig(unetConfig);
  if ("problem" in model) return model;
  const scheduler = await readJson(folder, DIFFUSERS_FILES.schedulerConfig, schedulerConfigSchema);
  const network = await networkOf(model.value, []);
  const { sizes } = network;
  if (learnsVariance(sizes) && scheduler.variance_type !== "learned_range") {
    return {
      problem: {
        message:
          "the network has twice the channels of its images, and its scheduler does not say that they are a variance " +
          "between the smallest and the largest",
        got: `variance_type ${scheduler.variance_type}`,
        wanted: "learned_range",
        fix:
          "none; only if the network was trained like that (Nichol and Dhariwal 2021): correct scheduler_config.json",
      },
    };
  }
  const { tensors, provenance } = await readWeights(folder);
  const named = fromUnet2dTensors(tensors, model.value, { flipped: unetConfig.flip_sin_to_cos });
  if ("problem" in named) return named;
  const chain = fromChainConfig(scheduler, provenance?.schedule);
  if ("problem" in chain) return chain;

  const { spec, betas, objective } = chain.value;
  const [blind] = checkPrediction(objectiveFacts(builtinObjective(objective)), {
    zeroTerminalSnr: hasZeroTerminalSnr({ betas }),
  });
  if (blind !== undefined) {
    const fix = "none; only if scheduler_config.json is wrong: correct prediction_type or rescale_betas_zero_snr";
    return { problem: { ...blind, fix } };
  }
  const own = toChainConfig(chain.value, learnsVariance(sizes));
  const said = Object.entries(scheduler).filter(([name, value]) =>
    name !== "_diffusers_version" && JSON.stringify(value) !== JSON.stringify(own[name])
  );
  const params = packParameters(named.value, network);
  const { height, width, channels } = sizes;
  return {
    value: {
      config: {
        model: model.value,
        images: { height, width, channels, source: provenance?.source ?? { name: "diffusers" } },
        schedule: spec,
        timesteps: betas.length,
        step: provenance?.step ?? 0,
        parameters: params.length,
        // Without a decay, the average equals the weights, and these are written for both.
        ema: provenance?.ema ?? { decay: 0, warmup: false },
        seed: provenance?.seed ?? 0,
        ...(objective === DEFAULT_OBJECTIVE ? {} : { objective }),
        ...(said.length === 0 ? {} : { scheduler: Object.fromEntries(said) }),
      },
      network,
      path: chainPath(makeTables(betas)),
      params,
      ema: params,
    },
  };
}

async function readJson<S extends z.ZodType>(folder: string, name: string, schema: S): Promise<z.output<S>> {
  return parseRecord(name, parseJson(name, new TextDecoder().decode(await readBytes(folder, name))), schema);
}

async function readWeights(folder: string) {
  const name = DIFFUSERS_FILES.unetWeights;
  const bytes = await readBytes(folder, name);
  const { tensors, metadata } = checked(name, () => decodeSafetensors(bytes));
  const floats = Object.entries(tensors).map(([key, tensor]) => {
    return [key, { shape: tensor.shape, data: floatsOf(`${name}, ${key}`, tensor) }] as const;
  });
  return { tensors: Object.fromEntries(floats), provenance: readProvenance(metadata[METADATA_KEY]) };
}

/**
 * Reads the provenance, which only describes the checkpoint: without it, or with another program's metadata, the
 * weights are still valid.
 */
function readProvenance(text: string | undefined): z.output<typeof provenanceSchema> | undefined {
  if (text === undefined) return undefined;
  try {
    return provenanceSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
