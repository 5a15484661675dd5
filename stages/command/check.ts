import { existsSync } from "node:fs";
import { checkOutputs } from "../../artifacts/types.ts";
import type { OutputPorts, StageRun } from "../../engine/contract/stage.ts";
import type { FoundCommand } from "../../schemas/command.ts";
import { CONVERT } from "./convert.ts";

/** Reads what a program has written, as every stage does that gets it. */
const run: StageRun = async ({ params, outputs, ...context }) => {
  const types = Object.entries((params as FoundCommand).outputs);
  for (const [port, type] of types) {
    if (!existsSync(outputs[port]!.folder)) continue;
    const end = await CONVERT[type]?.(outputs[port]!, context);
    if (end?.status === "failed") return { ...end, message: `output "${port}" is not of type ${type}: ${end.message}` };
  }
  const ports: OutputPorts = Object.fromEntries(types.map(([port, type]) => [port, { type, description: "" }]));
  return await checkOutputs(ports, outputs, (type) => {
    return `write the files that docs/other-languages.md describes for ${type} ("Files of artifacts")`;
  });
};
export default run;
