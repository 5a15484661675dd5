/** Files of a `DDPMPipeline` of huggingface/diffusers, relative to its folder. */
export const DIFFUSERS_FILES = {
  index: "model_index.json",
  unetConfig: "unet/config.json",
  unetWeights: "unet/diffusion_pytorch_model.safetensors",
  /** In a folder of an early release, which only an import reads. */
  olderWeights: "unet/diffusion_pytorch_model.bin",
  schedulerConfig: "scheduler/scheduler_config.json",
  vaeConfig: "vae/config.json",
  vaeWeights: "vae/diffusion_pytorch_model.safetensors",
  /** As `olderWeights`. */
  olderVaeWeights: "vae/diffusion_pytorch_model.bin",
} as const;

/**
 * Key of the weights' safetensors metadata under which an export stores what the layout has no place for. A program
 * that saves other weights drops the key, so that it cannot describe weights that it does not belong to.
 */
export const METADATA_KEY = "noiseline";
