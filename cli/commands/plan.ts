import { Command } from "@commander-js/extra-typings";
import type { Forecast } from "noiseline";
import type { Plan, PlannedStage } from "noiseline/core";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { formatDuration } from "../format/duration.ts";
import { plannedToJson } from "../format/plan_json.ts";
import { formatForecast, formatReason, formatState } from "../format/reasons.ts";
import { styleFor } from "../format/style.ts";
import { formatTable } from "../format/table.ts";
import { printDiagnostics, printJson, printLine, refuseWith } from "../io.ts";
import {
  collect,
  type LoadArguments,
  loadForCommand,
  makePlanner,
  type Opened,
  openForCommand,
  planNothingFor,
} from "../load.ts";

const EXAMPLES = `
Examples:
  deno task plan pipelines/digits.yaml
  deno task plan pipelines/digits.yaml --set train.steps=1400
  deno task plan pipelines/digits.yaml --json`;

/** `plan FILE [STAGE…]` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return new Command("plan").summary("Show what would run, why, and about how long")
    .description("Show what `run` would do, without doing it. Nothing is written.")
    .argument("<file>", "pipeline file (.yaml or .ts)")
    .argument("[stages...]", "plan only these stages and what they need")
    .option("-s, --set <path=value>", "set a param, var or the seed; repeatable", collect, [] as string[])
    .option("-p, --profile <name>", "lay a profile of the file over it; repeatable", collect, [] as string[])
    .option("-f, --force <stage>", "plan as if this stage were forced; repeatable", collect, [] as string[])
    .option("-a, --all", "list cached stages too, when there are many")
    .option("--store <folder>", "where results are kept (default: .noiseline beside deno.json)")
    .option("--json", "print the plan as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file, targets, options) => {
      const json = options.json ?? false;
      const given = { file, ...options, targets };
      const opened = openForCommand(settings, given);
      const nothing = await planNothingFor(opened, given);
      const { plan, forecasts } = nothing === undefined
        ? await planInFull(settings, given, opened)
        : { plan: nothing, forecasts: new Map() };
      const { pipeline, stages } = plan;
      if (json) {
        printJson({
          pipeline: pipeline.name,
          file,
          stages: [...stages].map(([id, planned]) => plannedToJson(id, planned, forecasts.get(id))),
        });
        return;
      }
      printPlan(pipeline.name, stages, forecasts, options.all ?? stages.size <= 50);
    });
}

async function planInFull(settings: CliSettings, given: LoadArguments, opened: Opened) {
  const json = given.json ?? false;
  const loaded = await loadForCommand(settings, given, opened);
  const options = { targets: loaded.targets, force: new Set(loaded.force) };
  const plan: Plan = await makePlanner(loaded, options, json).plan();
  if (plan.problems.length > 0) refuseWith(plan.problems, json);
  if (!json) printDiagnostics(loaded.warnings);
  const { forecastPlan } = await import("noiseline");
  return { plan, forecasts: forecastPlan(plan, loaded.store) };
}

type Stages = ReadonlyMap<string, PlannedStage>;
type Forecasts = ReadonlyMap<string, Forecast>;

function printPlan(name: string, stages: Stages, forecasts: Forecasts, all: boolean): void {
  const style = styleFor();
  const shown = [...stages].filter(([, { state }]) => all || state !== "cached");
  const rows = shown.map(([id, planned]) => [
    id,
    formatState(planned),
    formatForecast(forecasts.get(id)),
    planned.reasons.map(formatReason).join("; "),
  ]);
  for (const line of formatTable(rows)) printLine(line);
  const hidden = stages.size - shown.length;
  if (hidden > 0) printLine(style.dim(`… and ${hidden} cached stages`));
  printLine(summarise(name, stages, forecasts));
}

function summarise(name: string, stages: Stages, forecasts: Forecasts): string {
  const counts = new Map<string, number>();
  let totalMs = 0;
  const unknown: string[] = [];
  for (const { state } of stages.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
  for (const [id, forecast] of forecasts) {
    if (forecast.known) totalMs += forecast.durationMs;
    else unknown.push(id);
  }
  if (counts.size === 1 && counts.has("cached")) return `${name}: nothing to do (${stages.size} cached)`;
  const parts = [...counts].map(([state, count]) => `${count} ${state}`).join(", ");
  const bases = new Set([...forecasts.values()].map(({ basis }) => basis));
  const time = totalMs > 0 ? `about ${formatDuration(totalMs)}` : "";
  const rest = unknown.length > 0
    ? `time unknown for ${unknown.slice(0, 6).join(", ")}${unknown.length > 6 ? ", …" : ""}`
    : "";
  const basis = bases.size > 0 ? `\n  times from: ${[...bases].join("; ")}` : "";
  const times = [time, rest].filter(Boolean).join("; ");
  return `${name}: ${parts}${times === "" ? "" : ` (${times})`}${basis}`;
}
