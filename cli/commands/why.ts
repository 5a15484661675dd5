import { Command } from "@commander-js/extra-typings";
import { type Forecast, forecastPlan, type Pipeline, type PlannedStage } from "noiseline";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { CACHE_HELP, CACHE_MODE_HELP, CACHE_MODE_OPTION, CACHE_OPTION, openCacheFor } from "../cache.ts";
import { plannedToJson } from "../format/plan_json.ts";
import { formatDevice, formatForecast, formatReason, formatState } from "../format/reasons.ts";
import { printDiagnostics, printJson, printLine } from "../io.ts";
import { collect, loadForCommand, makePlanner } from "../load.ts";

const EXAMPLES = `
Examples:
  deno task why pipelines/digits.yaml train
  deno task why pipelines/digits.yaml train --set train.learningRate=2e-4`;

/** `why FILE STAGE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return new Command("why").summary("Explain why a stage would run, value by value")
    .description("Compare a stage with its last result: what changed, where it is written, what follows.")
    .argument("<file>", "pipeline file (.yaml or .ts)")
    .argument("<stage>", "stage id")
    .option("-s, --set <path=value>", "set a param, var or the seed; repeatable", collect, [] as string[])
    .option("-p, --profile <name>", "lay a profile of the file over it; repeatable", collect, [] as string[])
    .option("--store <folder>", "where results are kept (default: .noiseline beside deno.json)")
    .option(CACHE_OPTION, CACHE_HELP)
    .option(CACHE_MODE_OPTION, CACHE_MODE_HELP)
    .option("--json", "print the answer as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file, id, options) => {
      const json = options.json ?? false;
      const loaded = await loadForCommand(settings, { file, ...options, targets: [id] });
      const cache = await openCacheFor(options, { warn: (diagnostic) => printDiagnostics([diagnostic]) });
      const plan = await makePlanner(loaded, { cache }, json).plan();
      const forecasts = forecastPlan(plan, loaded.store);
      const answers = loaded.targets.map((target) => ({
        id: target,
        planned: plan.stages.get(target)!,
        forecast: forecasts.get(target),
        followers: findFollowers(loaded.pipeline, target),
      }));
      if (json) {
        const objects = answers.map(({ id, planned, forecast, followers }) => ({
          ...plannedToJson(id, planned, forecast),
          numerics: planned.manifest?.numerics,
          followers,
        }));
        // One stage is one object; the children of a matrix are a list.
        printJson(objects.length === 1 ? objects[0] : objects);
        return;
      }
      for (const { id, planned, forecast, followers } of answers) {
        printLine(`${id} (${planned.stage.kind.name}): ${formatState(planned)}`);
        for (const reason of planned.reasons) printLine(`  because of ${formatReason(reason)}`);
        printDetails(planned, forecast, followers);
      }
    });
}

function printDetails(planned: PlannedStage, forecast: Forecast | undefined, followers: readonly string[]): void {
  const { manifest, state, device, problem } = planned;
  if (manifest !== undefined) {
    printLine(`  result ${manifest.resolvedKey.slice(0, 12)} of run ${manifest.runId}`);
    if (manifest.numerics !== null) printLine(`  computed on ${manifest.numerics}`);
  }
  if (device !== undefined) printLine(`  would compute on ${formatDevice(device)}`);
  if (problem !== undefined) printLine(`  cannot run: ${problem.message}\n  fix: ${problem.fix}`);
  if (state === "cached") printLine("  nothing that it depends on has changed");
  if (forecast !== undefined) printLine(`  ${formatForecast(forecast)} (${forecast.basis})`);
  printLine(followers.length === 0 ? "  no stage reads it" : `  stages that follow: ${followers.join(", ")}`);
}

/** Stages that read this one, directly or not, in dependency order. */
function findFollowers(pipeline: Pipeline, id: string): string[] {
  const found = new Set([id]);
  for (const stage of pipeline.stages.values()) {
    if (Object.values(stage.inputs).flat().some((binding) => found.has(binding.stage))) found.add(stage.id);
  }
  found.delete(id);
  return [...found];
}
