import { z } from "zod";
import { defineKind } from "../../contract/stage.ts";
import { externalFile } from "../../schemas/roles.ts";

export const importKind = defineKind({
  kind: "import",
  version: 2,
  entry: import.meta.resolve("./run.ts"),
  summary: "Read a trained network in the layout of diffusers",
  params: z.strictObject({
    format: z.literal("diffusers").describe("A saved DDPMPipeline of diffusers with safetensors weights"),
    path: externalFile(z.string().min(1).describe("The folder. Its content is in the key")),
  }),
  inputs: {},
  outputs: {
    checkpoint: { type: "checkpoint", description: "The network; its raw and averaged weights are the same" },
  },
});
