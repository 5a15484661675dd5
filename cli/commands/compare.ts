import { Command } from "@commander-js/extra-typings";
import { dirname } from "node:path";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { formatTable } from "../format/table.ts";
import { printError, printJson, printLine, refuseWith } from "../io.ts";
import { collect, loadForCommand, makePlanner, STORE_OPTION } from "../load.ts";
import { isPipelineFile, problem, storeFor, unknownRun } from "../operands.ts";
import type { Experiment } from "../report/experiments.ts";
import { failWith } from "../results.ts";

const EXAMPLES = `
Examples:
  deno task compare pipelines/ablation-schedules.yaml               # the children of its matrix
  deno task compare pipelines/digits.yaml pipelines/fashion.yaml -o compare.html
  deno task compare 20261125T101502000-1a2b best                    # a run by its id, and a tag`;

/** `compare RUN… | FILE…` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return new Command("compare").summary("Compare the results of runs or pipelines")
    .description("Compare metrics and params of pipelines, of the children of a matrix, of tags or of earlier runs.")
    .argument("<what...>", "pipeline files, tags, or ids of runs (see `runs`)")
    .option("-p, --profile <name>", "apply a profile to each file; repeatable", collect)
    .option("-o, --output <file>", "also write a page with curves and samples")
    .addOption(STORE_OPTION)
    .option("--json", "print the comparison as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (what, options) => {
      const json = options.json ?? false;
      const { experimentsOf } = await import("../report/experiments.ts");
      const { compareExperiments, comparisonPage, sheetOf } = await import("../report/compare.ts");
      const experiments: Experiment[] = [];
      for (const each of what) {
        if (isPipelineFile(each)) {
          const { profile, store } = options;
          const loaded = await loadForCommand(settings, { file: each, profile, store, json });
          const plan = await makePlanner(loaded, {}, json).plan();
          const { name } = loaded.pipeline;
          // Two files may give the same name.
          const isTaken = experiments.some(({ source }) => source === name);
          const found = [...plan.stages].map(([id, { manifest }]) => [id, manifest] as const);
          experiments.push(...experimentsOf(isTaken ? each : name, found, loaded.store));
          continue;
        }
        const store = storeFor(options);
        const results = store.tags.read(each)?.results ??
          (store.runs.read(each) === undefined ? undefined : store.runs.used(each).results);
        if (results === undefined) refuseWith([unknownRun(store, each, true)], json);
        const found = Object.entries(results).map(([id, key]) => [id, store.results.byResolved(key)] as const);
        experiments.push(...experimentsOf(each, found, store));
      }
      if (experiments.every(({ made }) => made.size === 0)) {
        return failWith([problem("none of these has results yet", "run them first")], json);
      }
      const { comparison, contents } = await compareExperiments(experiments);
      if (options.output !== undefined) {
        const { renderPage } = await import("noiseline/report");
        await Deno.mkdir(dirname(options.output), { recursive: true });
        await Deno.writeTextFile(options.output, renderPage(comparisonPage(comparison, contents)));
      }
      if (json) printJson(comparison);
      else {
        const sheet = sheetOf(comparison);
        if (sheet[0]!.length > 1) { for (const line of formatTable(sheet)) printLine(line); }
        for (const line of comparison.without) printError(line);
      }
    });
}
