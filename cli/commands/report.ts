import { dirname, join, resolve } from "node:path";
import { shellWord } from "noiseline/core";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { printDiagnostics, printError, printJson, printLine } from "../io.ts";
import { loadForCommand, makePlanner, pipelineCommand } from "../load.ts";
import { failWith } from "../results.ts";

const EXAMPLES = `
Examples:
  deno task report pipelines/digits.yaml                  # outputs/digits/report.html
  deno task report pipelines/digits.yaml -o page.html`;

/** `report FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("report").summary("Make a page of a pipeline's results")
    .description("Write one HTML file with what a pipeline has produced so far. It opens from disk, without a network.")
    .option("-o, --output <file>", "where to write it (default: outputs/<pipeline>/report.html)")
    .option("--store <folder>", "where results are kept (default: .noiseline beside deno.json)")
    .option("--json", "print where the page is as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file, options) => {
      const json = options.json ?? false;
      const loaded = await loadForCommand(settings, { file, ...options });
      const { pipeline, store, warnings } = loaded;
      if (!json) printDiagnostics(warnings);
      const plan = await makePlanner(loaded, {}, json).plan();
      const { pipelineReport } = await import("../report/pipeline_report.ts");
      const { renderReport, PLOT_LIBRARY } = await import("noiseline/report");
      const { contentsOfPlan, missingOfPlan } = await import("noiseline/housekeeping");
      const { report, missing, unreadable } = await pipelineReport(pipeline, plan, store);
      const contents = contentsOfPlan(plan, store);
      if (!contents.ok && missing.length === plan.stages.size) failWith(contents.diagnostics, json);
      const again = `\`deno task run ${shellWord(file)}\` makes it again`;
      const damaged = missingOfPlan(plan, store).damaged.map((id) => `the result of "${id}" is damaged; ${again}`);
      const path = options.output === undefined
        ? join(dirname(store.root), "outputs", pipeline.name, "report.html")
        : resolve(options.output);
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.writeTextFile(path, renderReport(report, PLOT_LIBRARY));
      if (json) printJson({ pipeline: pipeline.name, path, missing, unreadable: [...damaged, ...unreadable] });
      else {
        printLine(path);
        if (missing.length > 0) printLine(`  without results so far: ${missing.join(", ")}`);
        for (const what of [...damaged, ...unreadable]) printError(`left out: ${what}`);
      }
    });
}
