import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { parseJson, parseRecord } from "../../artifacts/record.ts";
import { type CheckpointToWrite, networkOf, writeCheckpoint } from "../../artifacts/checkpoint.ts";
import { scheduleSpecSchema } from "../../artifacts/schedule.ts";
import type { RunOf } from "../../engine/contract/stage.ts";
import { InterchangeError } from "../../science/diffusion/interchange/problem.ts";
import { toChainConfig } from "../../science/diffusion/interchange/scheduler_config.ts";
import { fromUnet2dTensors } from "../../science/diffusion/interchange/unet2d_tensors.ts";
import { learnsVariance, packParameters } from "../../science/diffusion/network.ts";
import { DEFAULT_OBJECTIVE } from "../../science/diffusion/objectives.ts";
import { chainPath } from "../../science/diffusion/path.ts";
import { makeTables } from "../../science/diffusion/schedule/tables.ts";
import { FormatError } from "../../science/formats/format_error.ts";
import { failedBy } from "../shared/checks.ts";
import { DIFFUSERS_FILES, METADATA_KEY } from "../shared/diffusers_files.ts";
import { chainOf, findFile, readConfigs } from "./configs.ts";
import { importAutoencoder } from "./autoencoder_run.ts";
import { type importKind, SAVE_AGAIN } from "./kind.ts";
import { readTensors } from "./weights.ts";

/** The metadata that an export stores with the weights. */
const provenanceSchema = z.object({
  source: z.record(z.string(), z.unknown()),
  step: z.int().min(0),
  seed: z.int().min(0),
  ema: z.strictObject({ decay: z.number(), warmup: z.boolean() }),
  schedule: scheduleSpecSchema,
});

export default (async ({ params, outputs, note }) => {
  try {
    if (params.format === "autoencoder") return await importAutoencoder(params, outputs.autoencoder, note);
    await writeCheckpoint(outputs.checkpoint, await fromDiffusers(params.path));
    return undefined;
  } catch (error) {
    if (error instanceof InterchangeError) return failedBy(error.problem);
    if (!(error instanceof FormatError)) throw error;
    return { status: "failed", message: error.message, fix: error.fix ?? SAVE_AGAIN };
  }
}) satisfies RunOf<typeof importKind>;

/**
 * Returns the checkpoint of a `DDPMPipeline`'s folder.
 *
 * @param options.more true to read also what noiseline's module for Python adds: averaged weights, in `ema/`, and notes
 * @throws FormatError for a file that is missing or broken
 * @throws InterchangeError if its network or chain cannot be expressed in noiseline
 */
export async function fromDiffusers(folder: string, { more = false } = {}): Promise<CheckpointToWrite> {
  const { model, scheduler } = readConfigs(folder);
  const weights = findFile(folder, DIFFUSERS_FILES.unetWeights, DIFFUSERS_FILES.olderWeights);
  const { tensors, metadata } = await readTensors(weights.name, weights.path);
  const provenance = readProvenance(metadata[METADATA_KEY]);
  const chain = chainOf(scheduler, provenance?.schedule);
  const named = fromUnet2dTensors(tensors, model);
  const network = await networkOf(model, []);
  const { sizes } = network;
  const { spec, betas, objective } = chain;
  const own = toChainConfig(chain, learnsVariance(sizes));
  const said = Object.entries(scheduler).filter(([name, value]) =>
    name !== "_diffusers_version" && JSON.stringify(value) !== JSON.stringify(own[name])
  );
  const params = packParameters(named, network);
  const notes = more ? readNotes(folder) : undefined;
  const averaged = more && existsSync(join(folder, AVERAGED))
    ? await readTensors(AVERAGED, join(folder, AVERAGED))
    : undefined;
  const ema = averaged === undefined ? params : packParameters(fromUnet2dTensors(averaged.tensors, model), network);
  const { height, width, channels } = sizes;
  return {
    config: {
      model,
      images: { height, width, channels, source: provenance?.source ?? { name: "diffusers" } },
      schedule: spec,
      timesteps: betas.length,
      step: (notes ?? provenance)?.step ?? 0,
      parameters: params.length,
      // Without a decay, the average equals the weights, and these are written for both.
      ema: provenance?.ema ?? { decay: 0, warmup: false },
      seed: (notes ?? provenance)?.seed ?? 0,
      ...(objective === DEFAULT_OBJECTIVE ? {} : { objective }),
      ...(said.length === 0 ? {} : { scheduler: Object.fromEntries(said) }),
    },
    network,
    path: chainPath(makeTables(betas)),
    weights: { raw: params, ema },
  };
}

const AVERAGED = "ema/diffusion_pytorch_model.safetensors";
const notesSchema = z.strictObject({ step: z.int().min(0), seed: z.int().min(0) });

function readNotes(folder: string): z.output<typeof notesSchema> | undefined {
  const path = join(folder, "noiseline.json");
  if (!existsSync(path)) return undefined;
  return parseRecord("noiseline.json", parseJson("noiseline.json", Deno.readTextFileSync(path)), notesSchema);
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
