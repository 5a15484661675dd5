import { capacityOf, findRuns, type Forecast, forecastPlan, lookAhead, mayWork, totalOf } from "noiseline/core";
import type { PlannedStage, Runs } from "noiseline/core";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { CACHE_MODE_OPTION, CACHE_OPTION, type CacheArguments, namesCache, openCacheFor } from "../cache.ts";
import { formatTotal, totalToJson } from "../format/cost.ts";
import { parseCount } from "../format/count.ts";
import { formatLive, liveToJson } from "../format/live.ts";
import { plannedToJson } from "../format/plan_json.ts";
import { formatForecast, formatReasons, formatState } from "../format/reasons.ts";
import { styleFor } from "../format/style.ts";
import { formatTable } from "../format/table.ts";
import { formatRights, rightsOfStages, rightsToJson } from "../grants.ts";
import { describeOutlook } from "../outlook.ts";
import { printDiagnostics, printJson, printLine, refuseWith } from "../io.ts";
import {
  collect,
  type LoadArguments,
  loadForCommand,
  makePlanner,
  type Opened,
  openForCommand,
  pipelineCommand,
  planNothingFor,
  STORE_OPTION,
} from "../load.ts";

const EXAMPLES = `
Examples:
  deno task plan pipelines/digits.yaml
  deno task plan pipelines/digits.yaml --set train.steps=1400
  deno task plan pipelines/digits.yaml --cache s3://team/noiseline
  deno task plan pipelines/digits.yaml --json`;

/** `plan FILE [STAGE…]` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("plan").summary("Show what would run, why, and about how long")
    .description("Show what `run` would do. Nothing is run or written.")
    .argument("[stages...]", "plan only these stages and those they depend on")
    .option("-f, --force <stage>", "plan as if this stage were forced; repeatable", collect)
    .option("-j, --jobs <n>", "forecast for this many stages at a time (default: one per core)", parseCount)
    .option("-a, --all", "list cached stages too, when there are many")
    .addOption(STORE_OPTION).addOption(CACHE_OPTION).addOption(CACHE_MODE_OPTION)
    .option("--json", "print the plan as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file, targets, options) => {
      const json = options.json ?? false;
      const given = { file, ...options, targets };
      const opened = openForCommand(settings, given);
      const nothing = namesCache(options) ? undefined : await planNothingFor(opened, given);
      const plan = nothing ?? await planInFull(settings, given, opened);
      const { pipeline, stages } = plan;
      const forecasts = forecastPlan(plan, opened.store);
      const capacity = capacityOf(options);
      const total = totalOf(plan, forecasts, capacity);
      const outlook = lookAhead(plan, forecasts, capacity);
      // Where all is cached, looking through the records of runs would be most of the work.
      const live: Runs["stages"] = forecasts.size === 0 ? new Map() : findRuns(opened.store, pipeline.name).stages;
      const rights = rightsOfStages([...stages.values()].filter(mayWork), pipeline);
      if (json) {
        printJson({
          pipeline: pipeline.name,
          file,
          stages: [...stages].map(([id, planned]) => {
            const now = live.get(id);
            return { ...plannedToJson(id, planned, forecasts.get(id)), running: now && liveToJson(now) };
          }),
          leftOut: Object.fromEntries(pipeline.leftOut),
          total: totalToJson(total, capacity),
          ...outlook,
          rights: rightsToJson(rights),
        });
        return;
      }
      for (const [id, reason] of pipeline.leftOut) printLine(styleFor().dim(`${id} is left out: ${reason}`));
      printPlan(stages, forecasts, live, options.all ?? stages.size <= 50);
      printLine(summarise(pipeline.name, stages, forecasts, formatTotal(total, capacity.jobs)));
      const { notes, problems } = describeOutlook(outlook, pipeline);
      for (const note of notes) printLine(note);
      for (const { message, fix } of problems) printLine(`run will ask: ${message}; ${fix}`);
      for (const line of formatRights(rights)) printLine(line);
    });
}

async function planInFull(settings: CliSettings, given: LoadArguments & CacheArguments, opened: Opened) {
  const json = given.json ?? false;
  const loaded = await loadForCommand(settings, given, opened);
  const cache = await openCacheFor(given, { warn: (diagnostic) => printDiagnostics([diagnostic]) });
  const options = { targets: loaded.targets, force: new Set(loaded.force), cache };
  const plan = await makePlanner(loaded, options, json).plan();
  if (plan.problems.length > 0) refuseWith(plan.problems, json);
  if (!json) printDiagnostics(loaded.warnings);
  return plan;
}

type Stages = ReadonlyMap<string, PlannedStage>;
type Forecasts = ReadonlyMap<string, Forecast>;

function printPlan(stages: Stages, forecasts: Forecasts, live: Runs["stages"], all: boolean): void {
  const style = styleFor();
  const shown = [...stages].filter(([, { state }]) => all || state !== "cached");
  const rows = shown.map(([id, planned]) => {
    const now = live.get(id);
    const running = now === undefined ? [] : [`running in pid ${now.run.pid}: ${formatLive(now)}`];
    return [
      id,
      formatState(planned),
      formatForecast(forecasts.get(id)),
      [...running, formatReasons(planned.reasons)].filter(Boolean).join("; "),
    ];
  });
  for (const line of formatTable(rows)) printLine(line);
  const hidden = stages.size - shown.length;
  if (hidden > 0) printLine(style.dim(`… and ${hidden} cached stages`));
}

function summarise(name: string, stages: Stages, forecasts: Forecasts, times: string): string {
  const counts = new Map<string, number>();
  for (const { state } of stages.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
  if (counts.size === 1 && counts.has("cached")) return `${name}: nothing to do (${stages.size} cached)`;
  const parts = [...counts].map(([state, count]) => `${count} ${state}`).join(", ");
  const bases = [...new Set([...forecasts.values()].map(({ basis }) => basis))];
  const shown = bases.length > 6 ? [...bases.slice(0, 6), "…"] : bases;
  const basis = bases.length > 0 ? `\n  times from: ${shown.join("; ")}` : "";
  return `${name}: ${parts}${times === "" ? "" : ` (${times})`}${basis}`;
}
