import { type AnyCommand, type CliSettings, pipelineCommand, printingAnswer } from "../command.ts";
import { describeKeep } from "../../pages/results/phrases.ts";
import { short, shortList } from "../format/units.ts";
import { fail, failWith, valueOf } from "../io.ts";
import { loadForCommand, makePlanner } from "../open.ts";
import { PAGE } from "../../package/program.ts";

const MORE = " Only its code may have been edited, and the next edit makes it run. No other store knows of this.";

const EXAMPLES = `
  deno task keep pipelines/digits.yaml train          # its code was edited, and the result stays
  deno task keep pipelines/digits.yaml train --undo`;

/** `keep FILE STAGE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("keep", EXAMPLES, MORE)
    .argument("<stage>", "stage id; the name of a matrix means its children")
    .option("--result <key>", "the result to keep, by the beginning of its key (default: the last one shown)")
    .option("--undo", "take it back")
    .action(printingAnswer(async (file, stage, options) => {
      const loaded = await loadForCommand(settings, { file, ...options, targets: [stage] });
      const { pipeline, store, targets } = loaded;
      const { keepResults, undoKeeps } = await import("noiseline/housekeeping");
      const plan = { pipeline, stages: makePlanner(loaded).planOffline() };
      const undone = options.undo ? undoKeeps(plan, store, targets) : [];
      const kept = options.undo ? [] : valueOf(keepResults(plan, store, targets, options.result), failWith);
      if (undone.length + kept.length === 0) {
        const why = options.undo ? "no result of it is kept" : "it has its result";
        fail(`there is nothing to do for "${stage}": ${why}`, "`why` explains its state");
      }
      // The page says what is kept.
      const { pipelinePage } = await import("../../pages/results/page.ts");
      store.viewsOf(pipeline.name).write(
        PAGE,
        (await pipelinePage(pipeline, makePlanner(loaded).planOffline(), store)).html,
      );
      return {
        data: { pipeline: pipeline.name, undone, kept },
        lines: [
          ...undone.map((id) => `${id}: no longer kept; \`run\` makes its result`),
          ...kept.flatMap(({ keep, others }) => [
            `${keep.stage}: ${short(keep.result)} serves, ${describeKeep(keep)}`,
            ...others.length > 0 ? [`  not taken: ${shortList(others.map(short))}`] : [],
          ]),
        ],
      };
    }));
}
