import { Option } from "@commander-js/extra-typings";
import { join } from "node:path";
import { type AnyCommand, type CliSettings, pipelineCommand, printingAnswer } from "../command.ts";
import { formatMetrics, toCsv } from "../format/metrics.ts";
import type { MetricRow } from "../../pages/results/metric_rows.ts";
import { EXIT, problem } from "../io.ts";

const EXAMPLES = `
  deno task metrics pipelines/digits.yaml
  deno task metrics pipelines/digits.yaml --csv > digits.csv
  deno task metrics pipelines/digits.yaml --tensorboard runs/digits   # then: tensorboard --logdir runs`;

/** `metrics FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("metrics", EXAMPLES)
    .addOption(new Option("--csv", "print comma-separated values").conflicts("json"))
    .option("--tensorboard <folder>", "write event files with the metrics and the loss of each step")
    .action(printingAnswer(async (file, options) => {
      const { experimentsOfPipeline } = await import("../experiments.ts");
      const { eventFiles, figuresOf } = await import("../../pages/results/figures.ts");
      const { experiments, loaded } = await experimentsOfPipeline(settings, { file, ...options });
      const { pipeline: { name }, store } = loaded;
      const { own, means, contents, without } = await figuresOf(experiments);
      const rows = [...own.flat(), ...means];
      const folders: string[] = [];
      if (options.tensorboard !== undefined) {
        const { EVENTS_FILE } = await import("noiseline/report");
        await Deno.mkdir(options.tensorboard, { recursive: true });
        const newest = store.runs.newestFirst().find((run) => run.pipeline === name);
        const wallTime = newest === undefined ? 0 : Date.parse(newest.startedAt) / 1000;
        for (const [part, bytes] of eventFiles(experiments, contents, wallTime)) {
          const folder = join(options.tensorboard, part);
          await Deno.mkdir(folder, { recursive: true });
          // The name is fixed, so that a new file replaces the old one.
          await Deno.writeFile(join(folder, EVENTS_FILE), bytes);
          folders.push(folder);
        }
      }
      const csv = () => toCsv([COLUMNS, ...rows.map((row) => COLUMNS.map((column) => row[column]))]);
      const lines = options.csv ? csv() : options.tensorboard === undefined ? formatMetrics(rows) : [];
      const none = problem(`no stage of "${name}" has metrics`, "run one that writes metrics, such as evaluate");
      return {
        data: { pipeline: name, metrics: rows, without },
        lines: [...folders, ...lines],
        diagnostics: rows.length > 0 ? [] : [none],
        notices: without,
        code: rows.length > 0 ? EXIT.done : EXIT.failed,
      };
    }));
}

const NAMES = "experiment stage metric value deviation count timesteps label seed seeds seedsOf";
const COLUMNS = NAMES.split(" ") as (keyof MetricRow)[];
