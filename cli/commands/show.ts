import type { AnyCommand, CliSettings } from "../settings.ts";
import { listLeaves } from "../format/leaves.ts";
import { styleFor } from "../format/style.ts";
import { printJson, printLine } from "../io.ts";
import { loadForCommand, pipelineCommand } from "../load.ts";

const EXAMPLES = `
Examples:
  deno task show pipelines/digits.yaml
  deno task show pipelines/digits.yaml --set vars.size=8`;

/** `show FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("show").summary("Print every resolved value and where it comes from")
    .description("Print every value after overrides, interpolation and defaults, with the place that set it.")
    .option("--json", "print values and origins as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file, options) => {
      const { pipeline } = await loadForCommand(settings, { file, ...options });
      const leaves = listLeaves(pipeline);
      if (options.json) {
        printJson({
          pipeline: pipeline.name,
          values: leaves.map(({ path, value, origin }) => ({ path, value, origin })),
        });
        return;
      }
      const style = styleFor();
      const left = leaves.map(({ path, value }) => `${path}: ${JSON.stringify(value)}`);
      const width = Math.min(60, Math.max(...left.map((text) => text.length)));
      leaves.forEach(({ origin }, index) => {
        printLine(`${left[index]!.padEnd(width)}  ${style.dim(`# ${origin.join(" <- ")}`)}`);
      });
    });
}
