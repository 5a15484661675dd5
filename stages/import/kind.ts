import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { defineKind } from "../../contract/stage.ts";
import { learnsVariance } from "../../diffusion/define.ts";
import { BUILTIN_NETWORK } from "../../diffusion/networks.ts";
import { FormatError } from "../../formats/format_error.ts";
import { externalFile } from "../../schemas/roles.ts";
import { chainOf, readConfigs } from "./configs.ts";

export const importKind = defineKind({
  kind: "import",
  version: 3,
  entry: import.meta.resolve("./run.ts"),
  summary: "Read a trained network in the layout of diffusers",
  params: z.strictObject({
    format: z.literal("diffusers").describe("A saved DDPMPipeline of diffusers, with weights in float32"),
    path: externalFile(z.string().min(1).describe("The folder. Its content is in the key")),
  }),
  inputs: {},
  outputs: {
    checkpoint: { type: "checkpoint", description: "The network; its raw and averaged weights are the same" },
  },
  check({ path }, _inputs, _own, folder) {
    const home = folder === undefined ? path : resolve(folder, path);
    // A folder that does not exist is reported together with the other paths.
    if (!existsSync(home)) return { problems: [] };
    try {
      const read = readConfigs(home);
      if ("problem" in read) return { problems: [{ param: ["path"], ...read.problem }] };
      const { model: network, scheduler } = read.value;
      const sizes = BUILTIN_NETWORK.sizesOf(network);
      const { height, width, channels, classes = null } = sizes;
      const known = { height, width, channels, classes, learnedVariance: learnsVariance(sizes), network };
      // The name of a schedule that goes by its betas is beside the weights, which only the run reads.
      if (scheduler.trained_betas !== null) return { problems: [], facts: { checkpoint: known } };
      const chain = chainOf(scheduler);
      if ("problem" in chain) return { problems: [{ param: ["path"], ...chain.problem }] };
      const { objective, spec: { name: betas, timesteps } } = chain.value;
      return { problems: [], facts: { checkpoint: { ...known, timesteps, betas, objective } } };
    } catch (error) {
      if (error instanceof FormatError) {
        return { problems: [{ param: ["path"], message: error.message, fix: SAVE_AGAIN }] };
      }
      // Files that cannot be read are reported together with the other paths.
      if ((error as { readonly code?: string }).code !== undefined) return { problems: [] };
      throw error;
    }
  },
});

export const SAVE_AGAIN = "save the whole folder again with save_pretrained(folder), in float32";
