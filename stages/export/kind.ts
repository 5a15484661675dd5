import { exportParams } from "./params.ts";
import { defineKind } from "../../contract/stage.ts";
import { readCheckpointFacts } from "../../artifacts/facts.ts";
import { checkExport } from "./check.ts";

export const exportKind = defineKind({
  kind: "export",
  version: 1,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Write a trained network in the layout of diffusers",
  params: exportParams,
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network to write" },
  },
  outputs: {
    files: { type: "files", description: "The folder that diffusers loads" },
  },
  check(_params, inputs) {
    return { problems: checkExport(readCheckpointFacts(inputs.checkpoint) ?? {}) };
  },
});
