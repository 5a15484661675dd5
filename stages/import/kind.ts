import { defineKind } from "../../contract/stage.ts";
import { importParams } from "./params.ts";

export const importKind = defineKind({
  kind: "import",
  version: 2,
  entry: import.meta.resolve("./run.ts"),
  summary: "Read a trained network in the layout of diffusers",
  params: importParams,
  inputs: {},
  outputs: {
    checkpoint: { type: "checkpoint", description: "The network; its raw and averaged weights are the same" },
  },
});
