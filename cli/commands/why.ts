import {
  capacityOf,
  explainStages,
  type Explanation,
  findFollowers,
  findPending,
  findRuns,
  type Followers,
  type Forecast,
  forecastPlan,
  totalOf,
} from "noiseline/engine";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { CACHE_MODE_OPTION, CACHE_OPTION, openCacheFor } from "../cache.ts";
import { formatCost, formatTotal, totalToJson } from "../format/cost.ts";
import { parseCount } from "../format/count.ts";
import { explanationLines } from "../format/explanation.ts";
import { explanationToJson } from "../format/explanation_json.ts";
import { formatLive } from "../format/live.ts";
import { formatState } from "../format/reasons.ts";
import { type Style, styleFor } from "../format/style.ts";
import { printDiagnostics, printJson, printLine } from "../io.ts";
import { loadForCommand, makePlanner, pipelineCommand, STORE_OPTION } from "../load.ts";

const EXAMPLES = `
Examples:
  deno task why pipelines/digits.yaml train
  deno task why pipelines/digits.yaml train --set train.learningRate=2e-4
  deno task why pipelines/ablation-schedules.yaml train    # all children of a matrix
  deno task why pipelines/digits.yaml train --json`;

/** `why FILE STAGE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("why").summary("Explain why a stage would run, value by value")
    .description(
      "Compare a stage with its last result: what changed, where that is written, which stages follow, how long it takes.",
    )
    .argument("<stage>", "stage id")
    .option("-j, --jobs <n>", "forecast for this many stages at a time (default: one per core)", parseCount)
    .addOption(STORE_OPTION).addOption(CACHE_OPTION).addOption(CACHE_MODE_OPTION)
    .option("--json", "print the answer as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file, id, options) => {
      const json = options.json ?? false;
      const loaded = await loadForCommand(settings, { file, ...options, targets: [id] });
      const { store, targets, pipeline } = loaded;
      const cache = await openCacheFor(options, { warn: (diagnostic) => printDiagnostics([diagnostic]) });
      const plan = await makePlanner(loaded, { cache }, json).plan();
      const forecasts = forecastPlan(plan, store);
      const explanations = explainStages(plan, store, targets);
      const { stages: live } = findRuns(store, pipeline.name);
      const before = findPending(plan, targets);
      const followers = findFollowers(plan, targets);
      const involved = [...before, ...targets, ...followers.certain, ...followers.mayRun];
      const capacity = capacityOf(options);
      const total = totalOf(plan, forecasts, capacity, involved);
      if (json) {
        printJson({
          pipeline: pipeline.name,
          stages: explanations.map((one) => explanationToJson(one, forecasts.get(one.id), live.get(one.id))),
          before,
          follow: followers,
          cost: {
            stages: Object.fromEntries(involved.flatMap((each) => {
              const forecast = forecasts.get(each);
              return forecast === undefined ? [] : [[each, forecast]];
            })),
            total: totalToJson(total, capacity),
          },
        });
        return;
      }
      const style = styleFor();
      printStages(id, explanations, style);
      for (const target of targets) {
        const now = live.get(target);
        if (now === undefined) continue;
        printLine(`  ${style.accent("running")} in pid ${now.run.pid} on ${now.run.host}: ${formatLive(now)}`);
      }
      printFollowers(followers, style);
      printCost(involved, forecasts, formatTotal(total, capacity.jobs), style);
    });
}

function printStages(name: string, explanations: readonly Explanation[], style: Style): void {
  const options = { style, nowMs: Date.now(), brief: explanations.length > 1 };
  if (explanations.length > 1) {
    const states = Map.groupBy(explanations, ({ planned }) => planned.state);
    const counts = [...states].map(([state, all]) => `${all.length} ${state}`).join(", ");
    printLine(`${style.bold(name)}: ${explanations.length} stages, ${counts}`);
  }
  // Children of a matrix mostly change together; what is said of several is said once.
  const groups = Map.groupBy(explanations, (one) => {
    const heading = `(${one.planned.stage.kind.name}): ${formatState(one.planned)}`;
    return [heading, ...explanationLines(one, options)].join("\n");
  });
  for (const [text, members] of groups) {
    const [heading, ...lines] = text.split("\n");
    const ids = members.map(({ id }) => id);
    const shown = ids.slice(0, 4).join(", ");
    printLine(`${style.bold(shown)}${ids.length > 4 ? ` and ${ids.length - 4} more` : ""} ${heading}`);
    for (const line of lines) printLine(`  ${line}`);
  }
}

function printFollowers({ certain, mayRun, unchanged }: Followers, style: Style): void {
  const say = (what: string, ids: readonly string[]) => {
    if (ids.length === 0) return;
    const more = ids.length > 8 ? ` and ${ids.length - 8} more` : "";
    printLine(`  ${what}: ${ids.slice(0, 8).join(", ")}${more}`);
  };
  if (certain.length + mayRun.length + unchanged.length === 0) printLine(style.dim("  no stage reads it"));
  say("certain to run next", certain);
  say("run only if their inputs change", mayRun);
  say("stay as they are", unchanged);
}

function printCost(
  ids: readonly string[],
  forecasts: ReadonlyMap<string, Forecast>,
  total: string,
  style: Style,
): void {
  const known = ids.flatMap((id) => {
    const forecast = forecasts.get(id);
    return forecast === undefined ? [] : [[id, forecast] as const];
  });
  if (known.length === 0) return;
  const width = Math.max(...known.map(([id]) => id.length));
  printLine("  time");
  for (const [id, forecast] of known.slice(0, 12)) printLine(`    ${id.padEnd(width)}  ${formatCost(forecast)}`);
  if (known.length > 12) printLine(style.dim(`    … and ${known.length - 12} more`));
  if (known.length > 1 && total !== "") printLine(`    together ${total}`);
}
