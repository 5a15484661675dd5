import type { Forecast, LiveStage, PlannedAction } from "noiseline/core";
import * as core from "noiseline/core";
import { type AnyCommand, type CliSettings, collect, ON, planCommand, printingAnswer } from "../command.ts";
import { formatForecast, formatLive, formatReasons, formatState, formatTotal, plannedToJson } from "../format/plan.ts";
import { countOf, formatBytes, parseCount, shortList } from "../format/units.ts";
import { describeOutlook, describeRights } from "../grants.ts";
import { formatTable, refuseWith, styleFor } from "../io.ts";
import { planFor } from "../open.ts";

const EXAMPLES = `
  deno task plan pipelines/digits.yaml
  deno task plan pipelines/digits.yaml --set train.steps=1400
  deno task plan pipelines/digits.yaml --cache s3://team/noiseline
  deno task plan pipelines/digits.yaml --json`;

/** `plan FILE [STAGE…]` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return planCommand("plan", EXAMPLES, " Nothing is run or written.")
    .argument("[stages...]", "plan only these stages and those they depend on")
    .addOption(ON)
    .option("-f, --force <stage>", "plan as if this stage were forced; repeatable", collect)
    .option("-j, --jobs <n>", "forecast for this many stages at a time (default: one per core)", parseCount)
    .option("-a, --all", "list each stage, also when many are cached or restored")
    .action(printingAnswer(async (file, targets, options) => {
      const { plan, store, warnings } = await planFor(settings, { file, ...options, targets });
      if (plan.problems.length > 0) refuseWith(plan.problems);
      const { pipeline, stages } = plan;
      const forecasts = core.forecastPlan(plan, store);
      const capacity = core.capacityOf(options);
      const total = core.totalOf(plan, forecasts, capacity);
      const outlook = core.summariseForecasts(plan, forecasts, capacity);
      // If all stages are cached, reading the records of runs would take most of the time.
      const live: Live = forecasts.size === 0 ? new Map() : new core.RunReader(store).findPlanned(plan);
      const searches = core.searchesIn(plan);
      const rights = describeRights([...plan.actions.values()].filter(core.mayRun), pipeline);
      const { notes, question } = describeOutlook(outlook, pipeline);
      return {
        data: {
          pipeline: pipeline.name,
          file,
          stages: [...stages].map(([id, planned]) => {
            return plannedToJson(id, planned, { forecast: forecasts.get(id), live: live.get(id) });
          }),
          leftOut: Object.fromEntries(pipeline.leftOut),
          total: { ...total, ...capacity },
          ...outlook,
          searches,
          rights: rights.data,
        },
        diagnostics: warnings,
        lines: [
          ...[...pipeline.leftOut].map(([id, reason]) => styleFor().dim(`${id} is left out: ${reason}`)),
          ...describeStages(plan, forecasts, live, options.all),
          ...summarise(pipeline.name, stages, forecasts, formatTotal(total, capacity.jobs)),
          ...searches.filter(({ toCome }) => toCome > 0).map(describeSearch),
          ...notes,
          ...question === undefined ? [] : [`run will ask: ${question.message}; ${question.fix}`],
          ...rights.lines,
        ],
      };
    }));
}

function describeSearch({ stage, unit, toCome, rungs }: ReturnType<typeof core.searchesIn>[number]): string {
  const each = rungs.map(({ extent, stages }) => `${stages} to ${extent.toLocaleString("en")}`).join(", ");
  return `search of ${stage}: ${toCome.toLocaleString("en")} ${unit} to come (${each})`;
}

type Stages = ReadonlyMap<string, PlannedAction>;
type Forecasts = ReadonlyMap<string, Forecast>;
type Live = ReadonlyMap<string, LiveStage>;

function describeStages({ stages, actions }: core.Plan, forecasts: Forecasts, live: Live, all?: boolean): string[] {
  const whole = [...stages];
  const restored = whole.filter(([id, { state }]) => all !== true && state === "restore" && !live.has(id));
  const folded = new Set(restored.length > 2 ? restored : []);
  const isAll = all ?? stages.size <= 50;
  const shown = whole.filter((one) => (isAll || one[1].state !== "cached") && !folded.has(one));
  const rows = shown.map(([id, planned]) => {
    const now = live.get(id);
    const running = now === undefined ? "" : formatLive(now, `running in pid ${now.run.pid}`);
    const why = [running, formatReasons(planned.reasons)].filter(Boolean).join("; ");
    return [id, formatState(planned, actions), formatForecast(forecasts.get(id)), why];
  });
  const hidden = whole.length - shown.length - folded.size;
  const sources = Map.groupBy(folded, ([, { reasons }]) => {
    return reasons.some(({ code }) => code === "shared") ? "the shared cache" : "the store";
  });
  const restores = [...sources].map(([from, some]) =>
    `restore ${countOf(some.length, "result")} from ${from}: ${shortList(some.map(([id]) => id))}`
  );
  const more = hidden > 0 ? [styleFor().dim(`… and ${countOf(hidden, "cached stage")}`)] : [];
  return [...formatTable(rows), ...restores, ...more];
}

function summarise(name: string, stages: Stages, forecasts: Forecasts, times: string): string[] {
  const states = Map.groupBy(stages.values(), ({ state }) => state);
  if (states.size === 1 && states.has("cached")) return [`${name}: nothing to do (${stages.size} cached)`];
  const parts = [...states].map(([state, all]) => `${all.length} ${state}`).join(", ");
  const basis = [true, false].flatMap((known) => {
    const bases = [...new Set(forecasts.values().filter((one) => one.known === known).map((one) => one.basis))];
    const shown = bases.length > 6 ? [...bases.slice(0, 6), "…"] : bases;
    return bases.length > 0 ? [`  ${known ? "times from" : "time unknown"}: ${shown.join("; ")}`] : [];
  });
  const needs = [...stages].map(([id, planned]) => [core.memoryNeed(planned) ?? 0, id] as const);
  const [most, largest] = needs.reduce((one, other) => other[0] > one[0] ? other : one);
  const memory = most > 0 ? [`  memory: up to about ${core.formatMemory(most)}, for ${largest}`] : [];
  const bytes = stages.values().filter(core.mayRun).reduce((sum, { stage }) => sum + (stage.diskBytes ?? 0), 0);
  const disk = bytes > 0 ? [`  disk: about ${formatBytes(bytes)}, for results of known size`] : [];
  return [`${name}: ${parts}${times === "" ? "" : ` (${times})`}`, ...basis, ...memory, ...disk];
}
