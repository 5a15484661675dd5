import { learnsVariance } from "../../diffusion/model_output.ts";
import { toChainConfig } from "../../diffusion/interchange/scheduler_config.ts";
import { toUnet2dConfig } from "../../diffusion/interchange/unet2d_config.ts";
import { toUnet2dTensors } from "../../diffusion/interchange/unet2d_tensors.ts";
import type { Translated } from "../../diffusion/interchange/problem.ts";
import { unpackParameters } from "../../diffusion/unet/pack.ts";
import { encodeSafetensors } from "../../formats/safetensors.ts";
import { objectiveOf, type StoredCheckpoint } from "../shared/checkpoint.ts";
import { DIFFUSERS_FILES, METADATA_KEY } from "../shared/diffusers_files.ts";
import { jsonText } from "../shared/json_text.ts";

/** The release that the layout is held to; see docs/interchange.md. */
const VERSION = "0.42.1";

/** The files of a `DDPMPipeline` with the checkpoint's network and chain, by name, or why it has no place there. */
export function toDiffusers(
  { config, tables, params }: StoredCheckpoint,
): Translated<Readonly<Record<string, string | Uint8Array>>> {
  const unet = toUnet2dConfig(config.model);
  if ("problem" in unet) return unet;
  const chain = toChainConfig({ spec: config.schedule, betas: tables.betas, objective: objectiveOf(config) });
  if ("problem" in chain) return chain;
  const scheduler = {
    ...chain.value,
    // Ho et al.'s choice for CIFAR-10, and the default of ancestral sampling here.
    variance_type: learnsVariance(config.model) ? "learned_range" : "fixed_large",
    clip_sample: true,
    clip_sample_range: 1,
    thresholding: false,
    dynamic_thresholding_ratio: 0.995,
    sample_max_value: 1,
    timestep_spacing: "trailing",
    steps_offset: 0,
  };
  return {
    value: {
      [DIFFUSERS_FILES.index]: jsonText({
        ...header("DDPMPipeline"),
        scheduler: ["diffusers", "DDPMScheduler"],
        unet: ["diffusers", "UNet2DModel"],
      }),
      [DIFFUSERS_FILES.unetConfig]: jsonText({ ...header("UNet2DModel"), ...unet.value }),
      [DIFFUSERS_FILES.unetWeights]: encodeWeights({ config, params }),
      [DIFFUSERS_FILES.schedulerConfig]: jsonText({ ...header("DDPMScheduler"), ...scheduler }),
    },
  };
}

function header(className: string) {
  return { _class_name: className, _diffusers_version: VERSION };
}

function encodeWeights({ config, params }: Pick<StoredCheckpoint, "config" | "params">): Uint8Array<ArrayBuffer> {
  const { images, step, seed, ema, schedule } = config;
  const tensors = toUnet2dTensors(unpackParameters(params, config.model), config.model);
  return encodeSafetensors({
    tensors: Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [name, { dtype: "F32" as const, ...tensor }]),
    ),
    // "format" is what loaders of PyTorch weights look for.
    metadata: { format: "pt", [METADATA_KEY]: JSON.stringify({ source: images.source, step, seed, ema, schedule }) },
  });
}
