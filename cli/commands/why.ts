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
import { answering, type AnyCommand, type CliSettings, planCommand } from "../command.ts";
import { explanationLines, explanationToJson } from "../format/explanation.ts";
import { formatLive, formatState, formatTotal } from "../format/plan.ts";
import { formatDuration, parseCount, someOf } from "../format/units.ts";
import { formatTable, printDiagnostics, type Style, styleFor } from "../io.ts";
import { loadForCommand, makePlanner, openCacheFor } from "../open.ts";

const EXAMPLES = `
  deno task why pipelines/digits.yaml train
  deno task why pipelines/digits.yaml train --set train.learningRate=2e-4
  deno task why pipelines/ablation-schedules.yaml train    # all children of a matrix
  deno task why pipelines/digits.yaml train --json`;

/** `why FILE STAGE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return planCommand("why", EXAMPLES)
    .argument("<stage>", "stage id")
    .option("-j, --jobs <n>", "forecast for this many stages at a time (default: one per core)", parseCount)
    .action(answering(async (file, id, options) => {
      const loaded = await loadForCommand(settings, { file, ...options, targets: [id] });
      const { store, targets, pipeline } = loaded;
      const cache = await openCacheFor(options, (diagnostic) => printDiagnostics([diagnostic]));
      const plan = await makePlanner(loaded, { cache }).plan();
      const forecasts = forecastPlan(plan, store);
      const explanations = explainStages(plan, store, targets);
      const { stages: live } = findRuns(store, pipeline.name);
      const before = findPending(plan, targets);
      const followers = findFollowers(plan, targets);
      const involved = [...before, ...targets, ...followers.certain, ...followers.mayRun];
      const costs = involved.flatMap((one) => forecasts.has(one) ? [[one, forecasts.get(one)!] as const] : []);
      const capacity = capacityOf(options);
      const total = totalOf(plan, forecasts, capacity, involved);
      const style = styleFor();
      return {
        data: {
          pipeline: pipeline.name,
          stages: explanations.map((one) =>
            explanationToJson(one, { forecast: forecasts.get(one.id), live: live.get(one.id) })
          ),
          before,
          follow: followers,
          cost: { stages: Object.fromEntries(costs), total: { ...total, ...capacity } },
        },
        lines: [
          ...describeStages(id, explanations, style),
          ...targets.map((target) => live.get(target)).filter((now) => now !== undefined).map((now) =>
            `  ${style.accent("running")} in pid ${now.run.pid} on ${now.run.host}: ${formatLive(now)}`
          ),
          ...describeFollowers(followers, style),
          ...describeCosts(costs, formatTotal(total, capacity.jobs), style),
        ],
      };
    }));
}

function describeStages(name: string, explanations: readonly Explanation[], style: Style): string[] {
  const options = { style, nowMs: Date.now(), brief: explanations.length > 1 };
  const states = Map.groupBy(explanations, ({ planned }) => planned.state);
  const counts = [...states].map(([state, all]) => `${all.length} ${state}`).join(", ");
  // Children of a matrix mostly change together; what is said of several is said once.
  const groups = Map.groupBy(explanations, (one) => {
    const heading = `(${one.planned.stage.kind.name}): ${formatState(one.planned)}`;
    return [heading, ...explanationLines(one, options)].join("\n  ");
  });
  return [
    ...explanations.length > 1 ? [`${style.bold(name)}: ${explanations.length} stages, ${counts}`] : [],
    ...[...groups].map(([text, members]) => `${style.bold(someOf(members.map(({ id }) => id), 4))} ${text}`),
  ];
}

function describeFollowers({ certain, mayRun, unchanged }: Followers, style: Style): string[] {
  if (certain.length + mayRun.length + unchanged.length === 0) return [style.dim("  no stage reads it")];
  const said: [string, readonly string[]][] = [
    ["certain to run next", certain],
    ["run only if their inputs change", mayRun],
    ["stay as they are", unchanged],
  ];
  return said.filter(([, ids]) => ids.length > 0).map(([what, ids]) => `  ${what}: ${someOf(ids)}`);
}

function describeCosts(costs: readonly (readonly [string, Forecast])[], total: string, style: Style): string[] {
  if (costs.length === 0) return [];
  const rows = costs.slice(0, 12).map(([id, forecast]) => {
    const time = forecast.known ? `about ${formatDuration(forecast.durationMs)}` : "unknown";
    return [`    ${id}`, `${time} (${forecast.basis})`];
  });
  return [
    "  time",
    ...formatTable(rows),
    ...costs.length > 12 ? [style.dim(`    … and ${costs.length - 12} more`)] : [],
    ...costs.length > 1 && total !== "" ? [`    together ${total}`] : [],
  ];
}
