import { Command } from "@commander-js/extra-typings";
import { pipelineJsonSchema } from "noiseline/engine";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { printJson } from "../io.ts";

const EXAMPLES = `
Examples:
  deno task schema > schemas/pipeline.schema.json`;

/** `schema` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return new Command("schema").summary("Print the JSON Schema of pipeline files")
    .description("Print the JSON Schema that editors use to complete and check pipeline files.")
    .option("--json", "the output is JSON in any case")
    .addHelpText("after", EXAMPLES)
    .action(async () => printJson(pipelineJsonSchema(await settings.loadKinds())));
}
