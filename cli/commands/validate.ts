import { diagnosticToJson } from "noiseline/engine";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { countOf } from "../format/count.ts";
import { formatRights, rightsOfStages, rightsToJson } from "../grants.ts";
import { printDiagnostics, printJson, printLine } from "../io.ts";
import { loadForCommand, makePlanner, pipelineCommand } from "../load.ts";

const EXAMPLES = `
Examples:
  deno task validate pipelines/digits.yaml
  deno task validate pipelines/digits.yaml --set train.batchSize=0`;

/** `validate FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("validate").summary("Check a pipeline file")
    .description("Check a pipeline as `run` would, and report every error at once.")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file, options) => {
      const json = options.json ?? false;
      const loaded = await loadForCommand(settings, { file, ...options });
      makePlanner(loaded, {}, json);
      const { pipeline, warnings } = loaded;
      const rights = rightsOfStages([...pipeline.stages.values()].map((stage) => ({ stage })), pipeline);
      if (json) {
        printJson({
          ok: true,
          pipeline: pipeline.name,
          stages: pipeline.stages.size,
          diagnostics: warnings.map(diagnosticToJson),
          rights: rightsToJson(rights),
        });
        return;
      }
      printDiagnostics(warnings);
      const said = warnings.length === 0 ? "" : `, ${countOf(warnings.length, "warning")}`;
      printLine(`${file}: valid (${countOf(pipeline.stages.size, "stage")}${said})`);
      for (const line of formatRights(rights)) printLine(line);
    });
}
