import { pipelineJsonSchema } from "noiseline/engine";
import { type AnyCommand, type CliSettings, plainCommand } from "../command.ts";
import { printJson } from "../io.ts";

const EXAMPLES = `
  deno task schema > schemas/pipeline.schema.json`;

/** `schema` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return plainCommand("schema", EXAMPLES)
    .action(async () => printJson(pipelineJsonSchema(await settings.loadKinds())));
}
