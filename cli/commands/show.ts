import { answering, type AnyCommand, type CliSettings, pipelineCommand } from "../command.ts";
import { listLeaves } from "../format/leaves.ts";
import { styleFor } from "../io.ts";
import { loadForCommand } from "../open.ts";

const EXAMPLES = `
  deno task show pipelines/digits.yaml
  deno task show pipelines/digits.yaml --set vars.size=8`;

/** `show FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("show", EXAMPLES).action(answering(async (file, options) => {
    const { pipeline } = await loadForCommand(settings, { file, ...options });
    const leaves = listLeaves(pipeline);
    const left = leaves.map(({ path, value }) => `${path}: ${JSON.stringify(value)}`);
    const width = Math.min(60, Math.max(...left.map((text) => text.length)));
    const { dim } = styleFor();
    return {
      data: { pipeline: pipeline.name, values: leaves.map(({ path, value, origin }) => ({ path, value, origin })) },
      lines: leaves.map(({ origin }, i) => `${left[i]!.padEnd(width)}  ${dim(`# ${origin.join(" <- ")}`)}`),
    };
  }));
}
