import { dirname, resolve } from "node:path";
import { type AnyCommand, type CliSettings, pipelineCommand, printingAnswer } from "../command.ts";
import { shortList } from "../format/units.ts";
import { failWith } from "../io.ts";
import { loadForCommand, makePlanner } from "../open.ts";
import { PAGE } from "../../package/program.ts";

const MORE = " It is one HTML file, which each run writes too when it ends. It opens from disk, without a network.";

const EXAMPLES = `
  deno task report pipelines/digits.yaml                  # outputs/digits/report.html
  deno task report pipelines/digits.yaml -o page.html`;

/** `report FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("report", EXAMPLES, MORE)
    .option("-o, --output <file>", "where to write it (default: outputs/<pipeline>/report.html)")
    .action(printingAnswer(async (file, options) => {
      const loaded = await loadForCommand(settings, { file, ...options });
      const { pipeline, store, warnings } = loaded;
      const stages = makePlanner(loaded).planOffline();
      const { pipelinePage } = await import("../../pages/results/page.ts");
      const { contentsOfPlan } = await import("noiseline/housekeeping");
      const { html, missing, leftOut } = await pipelinePage(pipeline, stages, store);
      const contents = contentsOfPlan({ pipeline, stages }, store);
      if (!contents.ok && missing.length === stages.size) failWith(contents.diagnostics);
      const path = resolve(options.output ?? store.viewsOf(pipeline.name).write(PAGE, html));
      if (options.output !== undefined) {
        await Deno.mkdir(dirname(path), { recursive: true });
        await Deno.writeTextFile(path, html);
      }
      return {
        data: { pipeline: pipeline.name, path, missing, unreadable: leftOut },
        lines: [path, ...missing.length > 0 ? [`  without results so far: ${shortList(missing)}`] : []],
        diagnostics: warnings,
        notices: leftOut.map((what) => `left out: ${what}`),
      };
    }));
}
