import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { type CheckResult, defineKind } from "../../engine/contract/stage.ts";
import { learnsVariance } from "../../science/diffusion/define.ts";
import { InterchangeError } from "../../science/diffusion/interchange/problem.ts";
import { BUILTIN_NETWORK } from "../../science/diffusion/networks.ts";
import { FormatError } from "../../science/formats/format_error.ts";
import { externalFile } from "../../schemas/roles.ts";
import { chainOf, readAutoencoderConfig, readConfigs } from "./configs.ts";

const OUTPUTS = {
  checkpoint: { type: "checkpoint", description: "The network; its raw and averaged weights are the same" },
  autoencoder: { type: "autoencoder", description: "For format autoencoder: encoder and decoder" },
} as const;

export const importKind = defineKind({
  kind: "import",
  version: 3,
  entry: import.meta.resolve("./run.ts"),
  summary: "Read a trained network in the layout of diffusers",
  params: z.strictObject({
    format: z.enum(["diffusers", "autoencoder"]).describe(
      "diffusers: a saved DDPMPipeline of diffusers, with weights in float32. autoencoder: a saved AutoencoderKL or " +
        "VQModel of diffusers, or a checkpoint of CompVis/latent-diffusion, a file",
    ),
    path: externalFile(
      z.string().min(1).describe("The folder, or the file of a checkpoint. Its content is in the key"),
    ),
    factor: z.number().positive().max(1e6).optional().describe(
      "autoencoder: the factor that networks see latents times; default: scaling_factor of diffusers, none of " +
        "latent-diffusion, whose configuration names it scale_factor",
    ),
  }),
  inputs: {},
  outputs: OUTPUTS,
  portsFor({ format }) {
    const { checkpoint, autoencoder } = OUTPUTS;
    return { inputs: {}, outputs: format === "autoencoder" ? { autoencoder } : { checkpoint } };
  },
  check({ path, format, factor }, _inputs, _own, folder) {
    const home = folder === undefined ? path : resolve(folder, path);
    const misplaced = format !== "autoencoder" && factor !== undefined
      ? [{ param: ["factor"], message: "factor goes with format autoencoder", fix: "remove factor" }]
      : [];
    // A path that does not exist is reported together with the other paths, as what cannot be read is.
    if (misplaced.length > 0 || !existsSync(home)) return { problems: misplaced };
    try {
      return format === "autoencoder" ? checkAutoencoder(home) : checkPipeline(home);
    } catch (error) {
      if (error instanceof InterchangeError) return { problems: [{ param: ["path"], ...error.problem }] };
      if (error instanceof FormatError) {
        return { problems: [{ param: ["path"], message: error.message, fix: error.fix ?? SAVE_AGAIN }] };
      }
      if ((error as { readonly code?: string }).code !== undefined) return { problems: [] };
      throw error;
    }
  },
});

function checkPipeline(home: string): CheckResult {
  const { model: network, scheduler } = readConfigs(home);
  const sizes = BUILTIN_NETWORK.sizesOf(network);
  const { height, width, channels, classes = null } = sizes;
  const known = { height, width, channels, classes, learnedVariance: learnsVariance(sizes), network };
  // The name of a schedule that goes by its betas is beside the weights, which only the run reads.
  if (scheduler.trained_betas !== null) return { problems: [], facts: { checkpoint: known } };
  const { objective, spec: { name: betas, timesteps } } = chainOf(scheduler);
  return { problems: [], facts: { checkpoint: { ...known, timesteps, betas, objective } } };
}

function checkAutoencoder(home: string): CheckResult {
  const read = readAutoencoderConfig(home);
  if (read === undefined) return { problems: [] };
  const { config: model } = read;
  return { problems: [], facts: { autoencoder: { channels: model.imageChannels, autoencoder: model } } };
}

export const SAVE_AGAIN = "save the whole folder again with save_pretrained(folder), in float32";
