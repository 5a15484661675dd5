import type { Translated } from "../../diffusion/interchange/problem.ts";
import { type Chain, toChainConfig } from "../../diffusion/interchange/scheduler_config.ts";
import { learnsVariance } from "../../diffusion/network.ts";
import type { NetworkSizes } from "../../diffusion/define.ts";

/** Files of a `DDPMPipeline` of huggingface/diffusers, relative to its folder. */
export const DIFFUSERS_FILES = {
  index: "model_index.json",
  unetConfig: "unet/config.json",
  unetWeights: "unet/diffusion_pytorch_model.safetensors",
  schedulerConfig: "scheduler/scheduler_config.json",
} as const;

/**
 * Key of the weights' safetensors metadata under which an export keeps what the layout has no place for. Whoever saves
 * other weights drops it, so that it cannot describe weights that it does not belong to.
 */
export const METADATA_KEY = "noiseline";

/** What an export says of the chain, and of how to sample from it, where no file says otherwise. */
export function schedulerConfig(sizes: NetworkSizes, chain: Chain): Translated<Readonly<Record<string, unknown>>> {
  const config = toChainConfig(chain);
  if ("problem" in config) return config;
  return {
    value: {
      _class_name: "DDPMScheduler",
      ...config.value,
      // Ho et al.'s choice for CIFAR-10, and the default of ancestral sampling here.
      variance_type: learnsVariance(sizes) ? "learned_range" : "fixed_large",
      clip_sample: true,
      clip_sample_range: 1,
      thresholding: false,
      dynamic_thresholding_ratio: 0.995,
      sample_max_value: 1,
      timestep_spacing: "trailing",
      steps_offset: 0,
    },
  };
}
