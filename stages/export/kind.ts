import { z } from "zod";
import { readCheckpointFacts } from "../../artifacts/facts.ts";
import { defineKind } from "../../contract/stage.ts";
import { objectiveProblem } from "../../diffusion/interchange/scheduler_config.ts";
import { toUnet2dConfig } from "../../diffusion/interchange/unet2d_config.ts";
import { problemsOf } from "../shared/checks.ts";
import { weightsParam } from "../shared/common_params.ts";

export const exportKind = defineKind({
  kind: "export",
  version: 1,
  entry: import.meta.resolve("./run.ts"),
  summary: "Write a trained network in the layout of diffusers",
  params: z.strictObject({
    format: z.literal("diffusers").describe("A folder for DDPMPipeline.from_pretrained of diffusers"),
    weights: weightsParam(),
  }),
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network to write" },
  },
  outputs: {
    files: { type: "files", description: "The folder that diffusers loads" },
  },
  check(_params, inputs) {
    const { network, objective } = readCheckpointFacts(inputs.checkpoint) ?? {};
    const unet = network && toUnet2dConfig(network);
    const found = [unet && "problem" in unet && unet.problem, objective && objectiveProblem(objective)];
    return { problems: problemsOf(...found.map((problem) => problem ? { input: "checkpoint", ...problem } : [])) };
  },
});
