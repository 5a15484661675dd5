import { diagnosticToJson, withoutShards } from "noiseline/core";
import { answering, type AnyCommand, type CliSettings, pipelineCommand } from "../command.ts";
import { countOf } from "../format/units.ts";
import { describeRights } from "../grants.ts";
import { loadForCommand, makePlanner } from "../open.ts";

const EXAMPLES = `
  deno task validate pipelines/digits.yaml
  deno task validate pipelines/digits.yaml --set train.batchSize=0`;

/** `validate FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("validate", EXAMPLES).action(answering(async (file, options) => {
    const loaded = await loadForCommand(settings, { file, ...options });
    makePlanner(loaded);
    const { pipeline, warnings } = loaded;
    const stages = withoutShards(pipeline.stages).map(([, stage]) => stage);
    const rights = describeRights(stages.map((stage) => ({ stage })), pipeline);
    const said = warnings.length === 0 ? "" : `, ${countOf(warnings.length, "warning")}`;
    return {
      data: {
        ok: true,
        pipeline: pipeline.name,
        stages: stages.length,
        diagnostics: warnings.map(diagnosticToJson),
        rights: rights.data,
      },
      diagnostics: warnings,
      lines: [`${file}: valid (${countOf(stages.length, "stage")}${said})`, ...rights.lines],
    };
  }));
}
