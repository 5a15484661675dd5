import { statSync } from "node:fs";
import { join, posix } from "node:path";
import type { z } from "zod";
import { parseJson, parseRecord } from "../../artifacts/record.ts";
import { learnsVariance } from "../../science/diffusion/define.ts";
import { fromTheirAutoencoder } from "../../science/diffusion/interchange/autoencoder_config.ts";
import { autoencoderConfigSchema } from "../../science/diffusion/interchange/autoencoder_schema.ts";
import {
  type SchedulerConfig,
  schedulerConfigSchema,
  unet2dConfigSchema,
} from "../../science/diffusion/interchange/config_schemas.ts";
import { InterchangeError } from "../../science/diffusion/interchange/problem.ts";
import { fromChainConfig, type FullScheduleSpec } from "../../science/diffusion/interchange/scheduler_config.ts";
import { fromUnet2dConfig } from "../../science/diffusion/interchange/unet2d_config.ts";
import { BUILTIN_NETWORK } from "../../science/diffusion/networks.ts";
import { builtinObjective } from "../../science/diffusion/objectives.ts";
import { hasZeroTerminalSnr } from "../../science/diffusion/schedule/betas.ts";
import type { UnetConfig } from "../../science/diffusion/unet/config.ts";
import { FormatError } from "../../science/formats/format_error.ts";
import { checkPrediction } from "../shared/checks.ts";
import { objectiveFacts } from "../shared/describe_definition.ts";
import { DIFFUSERS_FILES } from "../shared/diffusers_files.ts";

const MAX_JSON_BYTES = 16 << 20;

/** Returns the path of a file, of those with these names the first that exists. @throws FormatError if none does */
export function findFile(folder: string, ...names: readonly string[]) {
  // As in the library: older folders have the files of both parts side by side.
  const places = names.flatMap((name) => [name, posix.basename(name)].map((at) => ({ name, path: join(folder, at) })));
  const found = places.find(({ path }) => statSync(path, { throwIfNoEntry: false })?.isFile());
  if (found !== undefined) return found;
  throw new FormatError(names[0]!, { got: "no file", wanted: "a file of this name" });
}

/**
 * Reads the network of a `DDPMPipeline` and the settings of its scheduler from the folder, without the weights.
 *
 * @throws FormatError for a file that is missing or broken
 * @throws InterchangeError if the network cannot be expressed in noiseline
 */
export function readConfigs(folder: string): { model: UnetConfig; scheduler: SchedulerConfig } {
  const model = fromUnet2dConfig(readConfig(folder, DIFFUSERS_FILES.unetConfig, unet2dConfigSchema));
  const scheduler = readConfig(folder, DIFFUSERS_FILES.schedulerConfig, schedulerConfigSchema);
  if (!learnsVariance(BUILTIN_NETWORK.sizesOf(model)) || scheduler.variance_type === "learned_range") {
    return { model, scheduler };
  }
  throw new InterchangeError({
    message:
      "the network has twice the channels of its images, and its scheduler does not say that they are a variance " +
      "between the smallest and the largest",
    got: `variance_type ${scheduler.variance_type}`,
    wanted: "learned_range",
    fix: "none; only if the network was trained like that (Nichol and Dhariwal 2021): correct scheduler_config.json",
  });
}

/**
 * Reads the configuration of an `AutoencoderKL` or `VQModel` from its folder or that of a pipeline. Undefined for a
 * checkpoint of latent-diffusion, whose weights alone tell.
 *
 * @throws FormatError for a file that is missing or broken @throws InterchangeError as `readConfigs`
 */
export function readAutoencoderConfig(path: string) {
  if (!statSync(path).isDirectory()) return undefined;
  return fromTheirAutoencoder(readConfig(path, DIFFUSERS_FILES.vaeConfig, autoencoderConfigSchema));
}

/**
 * Returns the chain of a scheduler.
 *
 * @param spec the schedule that an export noted, whose name is kept if it fits
 * @throws InterchangeError if it cannot be expressed in noiseline
 */
export function chainOf(scheduler: SchedulerConfig, spec?: FullScheduleSpec): ReturnType<typeof fromChainConfig> {
  const chain = fromChainConfig(scheduler, spec);
  const zeroTerminalSnr = hasZeroTerminalSnr(chain);
  const [blind] = checkPrediction(objectiveFacts(builtinObjective(chain.objective)), { zeroTerminalSnr });
  if (blind === undefined) return chain;
  const fix = "none; only if scheduler_config.json is wrong: correct prediction_type or rescale_betas_zero_snr";
  throw new InterchangeError({ ...blind, fix });
}

/** Reads a file of a configuration. @throws FormatError for a file that is missing or broken */
function readConfig<S extends z.ZodType>(folder: string, name: string, schema: S): z.output<S> {
  const { path } = findFile(folder, name);
  const { size } = statSync(path);
  // The planner reads the file, not a process with a limit of its own.
  if (size > MAX_JSON_BYTES) throw new FormatError(name, { got: `${size} bytes`, wanted: `at most ${MAX_JSON_BYTES}` });
  try {
    return parseRecord(name, parseJson(name, Deno.readTextFileSync(path)), schema);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new FormatError(error.what, { ...error, fix: `correct ${path}, or save the folder again` });
  }
}
