import { checkOutputs } from "../../artifacts/types.ts";
import type { OutputPorts, StageRun } from "../../contract/stage.ts";
import type { FoundCommand } from "../../schemas/command.ts";

/** Reads what a program has written, as every stage does that gets it. */
const run: StageRun = async ({ params, outputs }) => {
  const types = Object.entries((params as FoundCommand).outputs);
  const ports: OutputPorts = Object.fromEntries(types.map(([port, type]) => [port, { type, description: "" }]));
  return await checkOutputs(ports, outputs, (type) => {
    return `write the files that docs/other-languages.md describes for ${type} ("Files of artifacts")`;
  });
};
export default run;
