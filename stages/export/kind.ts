import { exportParams } from "../../schemas/kinds/export.ts";
import { defineKind } from "../contract.ts";
import { readCheckpointFacts } from "../shared/facts.ts";
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
