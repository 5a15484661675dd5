import { Option } from "@commander-js/extra-typings";
import { join } from "node:path";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { toCsv } from "../format/csv.ts";
import { formatMetrics } from "../format/metrics.ts";
import { EXIT, Exit, printError, printJson, printLine } from "../io.ts";
import { loadForCommand, makePlanner, pipelineCommand, STORE_OPTION } from "../load.ts";
import type { MetricRow } from "../report/metric_rows.ts";
import { problem } from "../operands.ts";
import { failWith } from "../results.ts";

const EXAMPLES = `
Examples:
  deno task metrics pipelines/digits.yaml
  deno task metrics pipelines/digits.yaml --csv > digits.csv
  deno task metrics pipelines/digits.yaml --tensorboard runs/digits   # then: tensorboard --logdir runs`;

/** `metrics FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("metrics").summary("Print the metrics of a pipeline, or write them for TensorBoard")
    .description(
      "Print every metric of a pipeline as a table, CSV or JSON, or write TensorBoard event files.",
    )
    .addOption(new Option("--csv", "print comma-separated values").conflicts("json"))
    .option("--tensorboard <folder>", "write event files with the metrics and the loss of each step")
    .addOption(STORE_OPTION)
    .option("--json", "print the metrics as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file, options) => {
      const json = options.json ?? false;
      const loaded = await loadForCommand(settings, { file, ...options });
      const plan = await makePlanner(loaded, {}, json).plan();
      const { experimentsOf } = await import("../report/experiments.ts");
      const { eventFiles, figuresOf } = await import("../report/metric_rows.ts");
      const found = [...plan.stages].map(([id, { manifest }]) => [id, manifest] as const);
      const experiments = experimentsOf(loaded.pipeline.name, found, loaded.store);
      const { own, means, without } = await figuresOf(experiments);
      const rows = [...own.flat(), ...means];
      if (options.tensorboard !== undefined) {
        const newest = [...loaded.store.runs.newestFirst()].find((run) => run.pipeline === loaded.pipeline.name);
        const wallTime = newest === undefined ? 0 : Date.parse(newest.startedAt) / 1000;
        await Deno.mkdir(options.tensorboard, { recursive: true });
        for (const [name, bytes] of Object.entries(await eventFiles(experiments, wallTime))) {
          const folder = join(options.tensorboard, name);
          await Deno.mkdir(folder, { recursive: true });
          // TensorBoard looks for the word in the middle; a fixed name is written over, not beside.
          await Deno.writeFile(join(folder, "events.out.tfevents.0.noiseline"), bytes);
          if (!json) printLine(folder);
        }
      }
      if (json) printJson({ pipeline: loaded.pipeline.name, metrics: rows, without });
      else if (options.csv) {
        for (const line of toCsv([COLUMNS, ...rows.map((row) => COLUMNS.map((name) => row[name]))])) printLine(line);
      } else if (options.tensorboard === undefined) { for (const line of formatMetrics(rows)) printLine(line); }
      if (!json) { for (const line of without) printError(line); }
      if (rows.length > 0) return;
      if (json) throw new Exit(EXIT.failed);
      failWith([
        problem(`no stage of "${loaded.pipeline.name}" has metrics`, "run one that writes metrics, such as evaluate"),
      ], json);
    });
}

const NAMES = "experiment stage metric value deviation count timesteps label seed rank seeds seedsOf";
const COLUMNS = NAMES.split(" ") as (keyof MetricRow)[];
