import { statSync } from "node:fs";
import { fromTheirAutoencoder } from "../../diffusion/interchange/autoencoder_config.ts";
import { autoencoderConfigSchema } from "../../diffusion/interchange/autoencoder_schema.ts";
import { DIFFUSERS_FILES } from "../shared/diffusers_files.ts";
import { readConfig } from "./configs.ts";

/**
 * Reads the configuration of an `AutoencoderKL` or `VQModel` from its folder or that of a pipeline, or returns why it
 * cannot be expressed in noiseline. Undefined for a checkpoint of latent-diffusion, whose weights alone tell.
 *
 * @throws FormatError for a file that is missing or broken
 */
export function readAutoencoderConfig(path: string) {
  if (!statSync(path).isDirectory()) return undefined;
  return fromTheirAutoencoder(readConfig(path, DIFFUSERS_FILES.vaeConfig, autoencoderConfigSchema));
}
