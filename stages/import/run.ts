import { join, posix } from "node:path";
import { z } from "zod";
import { type CheckpointToWrite, writeCheckpoint } from "../../artifacts/checkpoint.ts";
import type { RunOf } from "../../contract/stage.ts";
import type { InterchangeProblem, Translated } from "../../diffusion/interchange/problem.ts";
import { fromChainConfig } from "../../diffusion/interchange/scheduler_config.ts";
import { fromUnet2dConfig } from "../../diffusion/interchange/unet2d_config.ts";
import { fromUnet2dTensors, type Unet2dTensor } from "../../diffusion/interchange/unet2d_tensors.ts";
import { learnsVariance } from "../../diffusion/model_output.ts";
import { makeTables } from "../../diffusion/schedule/tables.ts";
import { hasZeroTerminalSnr } from "../../diffusion/schedule/zero_terminal_snr.ts";
import { packParameters } from "../../diffusion/unet/pack.ts";
import { FormatError } from "../../formats/format_error.ts";
import { decodeSafetensors } from "../../formats/safetensors.ts";
import { checkPrediction } from "../shared/checks.ts";
import { DIFFUSERS_FILES, METADATA_KEY, schedulerConfig } from "../shared/diffusers_files.ts";
import { failedBy } from "../shared/run_of.ts";
import { provenanceSchema, schedulerConfigSchema, unet2dConfigSchema } from "./config_schemas.ts";
import type { importKind } from "./kind.ts";

const run: RunOf<typeof importKind> = async ({ params, outputs }) => {
  const imported = await fromDiffusers((name) => readIfThere(join(params.path, name)));
  if ("problem" in imported) return failedBy(imported.problem);
  await writeCheckpoint(outputs.checkpoint, imported.value);
  return undefined;
};

export default run;

async function readIfThere(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Bytes of a file of the folder, undefined where there is none. */
export type ReadFile = (name: string) => Promise<Uint8Array<ArrayBuffer> | undefined>;

/** The checkpoint of a folder of a `DDPMPipeline`, or why its network or chain is none of ours. */
export async function fromDiffusers(readFile: ReadFile): Promise<Translated<CheckpointToWrite>> {
  // As the library does: older folders have the files of both parts side by side.
  const read: ReadFile = async (name) => await readFile(name) ?? await readFile(posix.basename(name));
  const unetConfig = await readJson(read, DIFFUSERS_FILES.unetConfig, unet2dConfigSchema);
  if ("problem" in unetConfig) return unetConfig;
  const model = fromUnet2dConfig(unetConfig.value);
  if ("problem" in model) return model;
  const scheduler = await readJson(read, DIFFUSERS_FILES.schedulerConfig, schedulerConfigSchema);
  if ("problem" in scheduler) return scheduler;
  if (learnsVariance(model.value) && scheduler.value.variance_type !== "learned_range") {
    return { problem: unlearnedRange(scheduler.value.variance_type) };
  }
  const weights = await readWeights(read);
  if ("problem" in weights) return weights;
  const { tensors, provenance } = weights.value;
  const named = fromUnet2dTensors(tensors, model.value, { flipped: unetConfig.value.flip_sin_to_cos });
  if ("problem" in named) return named;
  const chain = fromChainConfig(scheduler.value, provenance?.schedule);
  if ("problem" in chain) return chain;

  const { spec, betas, objective } = chain.value;
  const [blind] = checkPrediction({ objective }, { zeroTerminalSnr: hasZeroTerminalSnr({ betas }) });
  if (blind !== undefined) {
    const fix = "none; only if scheduler_config.json is wrong: correct prediction_type or rescale_betas_zero_snr";
    return { problem: { ...blind, fix } };
  }
  const own = schedulerConfig(model.value, chain.value);
  if ("problem" in own) return own;
  const said = Object.entries(scheduler.value).filter(([name, value]) =>
    name !== "_diffusers_version" && JSON.stringify(value) !== JSON.stringify(own.value[name])
  );
  const params = packParameters(named.value, model.value);
  const { imageSize, inChannels } = model.value;
  return {
    value: {
      config: {
        model: model.value,
        images: {
          height: imageSize,
          width: imageSize,
          channels: inChannels,
          source: provenance?.source ?? { name: "diffusers" },
        },
        schedule: spec,
        timesteps: betas.length,
        step: provenance?.step ?? 0,
        parameters: params.length,
        // Without a decay the average is the weights themselves, which is what is written.
        ema: provenance?.ema ?? { decay: 0, warmup: false },
        seed: provenance?.seed ?? 0,
        ...(objective === "eps" ? {} : { objective }),
        ...(said.length === 0 ? {} : { scheduler: Object.fromEntries(said) }),
      },
      tables: makeTables(betas),
      params,
      ema: params,
    },
  };
}

async function readJson<S extends z.ZodType>(
  read: ReadFile,
  name: string,
  schema: S,
): Promise<Translated<z.output<S>>> {
  const bytes = await read(name);
  if (bytes === undefined) return { problem: missing(name, "use the whole folder that save_pretrained wrote") };
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return { problem: unreadable(name, "text that is not JSON", "JSON") };
  }
  const parsed = schema.safeParse(json);
  return parsed.success
    ? { value: parsed.data }
    : { problem: unreadable(name, z.prettifyError(parsed.error).replaceAll("\n", " "), "a config of diffusers") };
}

interface Weights {
  readonly tensors: Readonly<Record<string, Unet2dTensor>>;
  readonly provenance: z.output<typeof provenanceSchema> | undefined;
}

async function readWeights(read: ReadFile): Promise<Translated<Weights>> {
  const name = DIFFUSERS_FILES.unetWeights;
  const bytes = await read(name);
  if (bytes === undefined) {
    return { problem: missing(name, "save it with DDPMPipeline.save_pretrained(folder, safe_serialization=True)") };
  }
  try {
    const { tensors, metadata } = decodeSafetensors(bytes);
    const floats: Record<string, Unet2dTensor> = {};
    for (const [tensor, { dtype, shape, data }] of Object.entries(tensors)) {
      if (!(data instanceof Float32Array)) return { problem: unreadable(name, `${tensor} as ${dtype}`, "F32") };
      floats[tensor] = { shape, data };
    }
    return { value: { tensors: floats, provenance: readProvenance(metadata[METADATA_KEY]) } };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { problem: unreadable(name, error.message, "safetensors in float32") };
  }
}

/** Only a description: without one, or with another program's, the weights are still what they are. */
function readProvenance(text: string | undefined): Weights["provenance"] {
  if (text === undefined) return undefined;
  try {
    return provenanceSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function missing(name: string, fix: string): InterchangeProblem {
  return { message: `a file of the folder is missing: ${name}`, got: "none", wanted: "the file", fix };
}

function unreadable(name: string, got: string, wanted: string): InterchangeProblem {
  const fix = "save it again with save_pretrained, in float32 and as safetensors";
  return { message: `cannot read ${name}`, got, wanted, fix };
}

function unlearnedRange(got: string): InterchangeProblem {
  return {
    message:
      "the network has twice the channels of its images, and its scheduler does not say that they are a variance " +
      "between the smallest and the largest",
    got: `variance_type ${got}`,
    wanted: "learned_range",
    fix: "none; only if the network was trained like that (Nichol and Dhariwal 2021): correct scheduler_config.json",
  };
}
