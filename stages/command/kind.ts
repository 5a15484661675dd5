import { defineKind } from "../../engine/contract/stage.ts";
import { commandSchema } from "../../schemas/command.ts";

export const commandKind = defineKind({
  kind: "command",
  version: 1,
  runs: "command",
  entry: import.meta.resolve("./check.ts"),
  summary: "Run a program in any language, such as a training script in Python",
  params: commandSchema,
  // Each stage has inputs and outputs of its own.
  inputs: {},
  outputs: {},
  seeded: true,
});
