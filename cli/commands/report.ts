import { dirname, resolve } from "node:path";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { printDiagnostics, printError, printJson, printLine } from "../io.ts";
import { loadForCommand, makePlanner, pipelineCommand, STORE_OPTION } from "../load.ts";
import { PAGE } from "../program.ts";
import { failWith } from "../results.ts";

const EXAMPLES = `
Examples:
  deno task report pipelines/digits.yaml                  # outputs/digits/report.html
  deno task report pipelines/digits.yaml -o page.html`;

/** `report FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("report").summary("Write a page of a pipeline's results")
    .description(
      "Write one HTML file with the results so far, as each run does when it ends. It opens from disk, without a network.",
    )
    .option("-o, --output <file>", "where to write it (default: outputs/<pipeline>/report.html)")
    .addOption(STORE_OPTION)
    .option("--json", "print where the page is as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file, options) => {
      const json = options.json ?? false;
      const loaded = await loadForCommand(settings, { file, ...options });
      const { pipeline, store, warnings } = loaded;
      if (!json) printDiagnostics(warnings);
      const stages = makePlanner(loaded, {}, json).survey();
      const { pipelinePage } = await import("../report/pipeline_report.ts");
      const { contentsOfPlan } = await import("noiseline/housekeeping");
      const { html, missing, leftOut } = await pipelinePage(pipeline, stages, store);
      const contents = contentsOfPlan({ pipeline, stages, problems: [] }, store);
      if (!contents.ok && missing.length === stages.size) failWith(contents.diagnostics, json);
      const path = resolve(options.output ?? store.viewsOf(pipeline.name).write(PAGE, html));
      if (options.output !== undefined) {
        await Deno.mkdir(dirname(path), { recursive: true });
        await Deno.writeTextFile(path, html);
      }
      if (json) printJson({ pipeline: pipeline.name, path, missing, unreadable: leftOut });
      else {
        printLine(path);
        if (missing.length > 0) printLine(`  without results so far: ${missing.join(", ")}`);
        for (const what of leftOut) printError(`left out: ${what}`);
      }
    });
}
