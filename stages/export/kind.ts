import { z } from "zod";
import { readAutoencoderFacts, readCheckpointFacts } from "../../artifacts/facts.ts";
import { defineKind } from "../../engine/contract/stage.ts";
import { toTheirAutoencoder } from "../../science/diffusion/interchange/autoencoder_config.ts";
import { type InterchangeProblem, problemOf } from "../../science/diffusion/interchange/problem.ts";
import { objectiveProblem } from "../../science/diffusion/interchange/scheduler_config.ts";
import { toUnet2dConfig } from "../../science/diffusion/interchange/unet2d_config.ts";
import { SCHEDULE_NAMES } from "../../science/diffusion/schedule/betas.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { checkWeightsName, problemsOf } from "../shared/checks.ts";
import { weightsParam } from "../shared/common_params.ts";

export const exportKind = defineKind({
  kind: "export",
  version: 1,
  // Models of autoencoders have free heights and widths.
  revision: ({ format }) => format === "onnx" ? 1 : undefined,
  entry: import.meta.resolve("./run.ts"),
  summary: "Write a trained network or autoencoder in the layout of diffusers, or as ONNX",
  params: z.strictObject({
    format: z.enum(["diffusers", "onnx"]).describe(
      "diffusers: a folder for DDPMPipeline.from_pretrained, or that of an AutoencoderKL or VQModel. onnx: model.onnx, " +
        "or encoder.onnx and decoder.onnx, for batches, and these for images, of any size",
    ),
    weights: weightsParam(),
  }),
  inputs: {
    checkpoint: { type: ["checkpoint", "autoencoder"], description: "The network or autoencoder to write" },
  },
  outputs: {
    files: { type: "files", description: "The folder that diffusers loads, or the models" },
  },
  check({ format, weights }, inputs) {
    const checkpoint = readCheckpointFacts(inputs.checkpoint);
    if (format === "onnx") return { problems: problemsOf(checkWeightsName(weights, checkpoint)) };
    const { network, objective, betas } = checkpoint ?? {};
    const { autoencoder } = readAutoencoderFacts(inputs.checkpoint) ?? {};
    const found = [
      isOwn(network) ? ownProblem("network", network) : network && problemOf(() => toUnet2dConfig(network)),
      isOwn(autoencoder)
        ? ownProblem("autoencoder", autoencoder)
        : autoencoder && problemOf(() => toTheirAutoencoder({ config: autoencoder, factor: 1 })),
      isOwn(objective) ? ownProblem("objective", objective) : objective && objectiveProblem(objective),
      betas !== undefined && !SCHEDULE_NAMES.some((name) => name === betas) && ownProblem("schedule", { uses: betas }),
    ];
    const unfit = found.map((problem) => problem ? { input: "checkpoint", ...problem } : []);
    return { problems: problemsOf(checkWeightsName(weights, checkpoint), ...unfit) };
  },
});

/** Returns the reason why the user's definition cannot be exported to another library. */
function ownProblem(what: string, { uses }: { readonly uses: string }): InterchangeProblem {
  return {
    message: `diffusers cannot load your own ${what}`,
    got: uses,
    wanted: `one that comes with the toolkit`,
    fix: `train with one, or read the weights of the checkpoint, which are safetensors, with ${uses} ported`,
  };
}
