import { Command } from "@commander-js/extra-typings";
import { join } from "node:path";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { formatTable } from "../format/table.ts";
import { EXIT, Exit, printJson, printLine } from "../io.ts";
import { collect, loadForCommand, makePlanner } from "../load.ts";
import type { MetricRow } from "../report/metric_rows.ts";

const EXAMPLES = `
Examples:
  deno task metrics pipelines/digits.yaml
  deno task metrics pipelines/digits.yaml --csv > digits.csv
  deno task metrics pipelines/digits.yaml --tensorboard runs/digits   # then: tensorboard --logdir runs`;

/** `metrics FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return new Command("metrics").summary("Print the metrics of a pipeline, or hand them to other programs")
    .description(
      "Every metric that a pipeline's stages have produced, as a table, CSV, JSON, or TensorBoard event files.",
    )
    .argument("<file>", "pipeline file (.yaml or .ts)")
    .option("-s, --set <path=value>", "set a param, var or the seed; repeatable", collect, [] as string[])
    .option("-p, --profile <name>", "lay a profile of the file over it; repeatable", collect, [] as string[])
    .option("--csv", "print comma-separated values")
    .option("--tensorboard <folder>", "write event files: losses of each step, and the metrics")
    .option("--store <folder>", "where results are kept (default: .noiseline beside deno.json)")
    .option("--json", "print the metrics as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file, options) => {
      const json = options.json ?? false;
      const loaded = await loadForCommand(settings, { file, ...options });
      const plan = await makePlanner(loaded, {}, json).plan();
      const { experimentsOfPipeline } = await import("../report/experiments.ts");
      const { eventFiles, metricRows } = await import("../report/metric_rows.ts");
      const experiments = experimentsOfPipeline(loaded.pipeline, plan, loaded.store);
      const rows = await metricRows(experiments);
      if (options.tensorboard !== undefined) {
        const newest = [...loaded.store.runs.newestFirst()].find((run) => run.pipeline === loaded.pipeline.name);
        const wallTime = newest === undefined ? 0 : Date.parse(newest.startedAt) / 1000;
        for (const [name, bytes] of Object.entries(await eventFiles(experiments, wallTime))) {
          const folder = join(options.tensorboard, name);
          await Deno.mkdir(folder, { recursive: true });
          // TensorBoard looks for the word in the middle; a fixed name is written over, not beside.
          await Deno.writeFile(join(folder, "events.out.tfevents.0.noiseline"), bytes);
          if (!json) printLine(folder);
        }
      }
      if (json) printJson({ pipeline: loaded.pipeline.name, metrics: rows });
      else if (options.csv) { for (const line of toCsv(rows)) printLine(line); }
      else if (options.tensorboard === undefined) print(rows);
      if (rows.length === 0) {
        if (!json) printLine(`${loaded.pipeline.name}: no stage has metrics yet`);
        throw new Exit(EXIT.failed);
      }
    });
}

const COLUMNS = [
  "experiment",
  "stage",
  "metric",
  "value",
  "deviation",
  "count",
  "timesteps",
  "label",
] as const;

function toCsv(rows: readonly MetricRow[]): string[] {
  const quote = (value: unknown) => {
    const text = value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [COLUMNS.join(","), ...rows.map((row) => COLUMNS.map((column) => quote(row[column])).join(","))];
}

function print(rows: readonly MetricRow[]): void {
  const shown = rows.filter(({ timesteps, label }) => timesteps === undefined && label === undefined);
  const cells = shown.map(({ experiment, stage, metric, value, deviation, count }) => {
    const number = (each: number) => String(Number(each.toPrecision(4)));
    const spread = deviation === undefined ? "" : `± ${number(deviation)}`;
    return [experiment, stage, metric, number(value), spread, `N ${count}`];
  });
  for (const line of formatTable(cells)) printLine(line);
}
