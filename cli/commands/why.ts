import * as engine from "noiseline/engine";
import { type AnyCommand, type CliSettings, ON, planCommand, printingAnswer } from "../command.ts";
import {
  formatDevice,
  formatLive,
  formatReason,
  formatState,
  formatTotal,
  onlyUserCodeDiffers,
  plannedToJson,
} from "../format/plan.ts";
import { countOf, formatBytes, formatDuration, parseCount, short, shortList } from "../format/units.ts";
import { formatTable, styleFor } from "../io.ts";
import { describeKeep } from "../../pages/results/phrases.ts";
import { loadForCommand, makePlanner, sharedOptions } from "../open.ts";

const EXAMPLES = `
  deno task why pipelines/digits.yaml train
  deno task why pipelines/digits.yaml train --set train.learningRate=2e-4
  deno task why pipelines/ablation-schedules.yaml train    # all children of a matrix
  deno task why pipelines/digits.yaml train --json`;

/** `why FILE STAGE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return planCommand("why", EXAMPLES)
    .argument("<stage>", "stage id")
    .addOption(ON)
    .option("-j, --jobs <n>", "forecast for this many stages at a time (default: one per core)", parseCount)
    .action(printingAnswer(async (file, id, options) => {
      const loaded = await loadForCommand(settings, { file, ...options, targets: [id] });
      const { store, targets, pipeline } = loaded;
      const plan = await makePlanner(loaded, await sharedOptions(settings, options, pipeline)).plan();
      const forecasts = engine.forecastPlan(plan, store);
      const explanations = engine.explainStages(plan, store, targets);
      const live = new engine.RunReader(store).findPlanned(plan);
      const before = engine.findPending(plan, targets);
      const followers = engine.findDependents(plan, targets);
      const involved = [...before, ...targets, ...followers.certain, ...followers.mayRun];
      const costs = involved.flatMap((one) => forecasts.has(one) ? [[one, forecasts.get(one)!] as const] : []);
      const capacity = engine.capacityOf(options);
      const total = engine.totalOf(plan, forecasts, capacity, involved);
      return {
        data: {
          pipeline: pipeline.name,
          stages: explanations.map(({ id, planned, causes, ...more }) => {
            const facts = { forecast: forecasts.get(id), live: live.get(id) };
            return { ...plannedToJson(id, planned, facts), causes: causes.map(causeToJson), ...more };
          }),
          before,
          follow: followers,
          cost: { stages: Object.fromEntries(costs), total: { ...total, ...capacity } },
        },
        lines: [
          ...describeStages(id, explanations),
          ...targets.map((target) => live.get(target)).filter((now) => now !== undefined).map((now) =>
            formatLive(now, `  ${styleFor().accent("running")} in pid ${now.run.pid} on ${now.run.host}`)
          ),
          ...describeFollowers(followers),
          ...describeCosts(costs, formatTotal(total, capacity.jobs)),
        ],
      };
    }));
}

function describeStages(name: string, explanations: readonly engine.Explanation[]): string[] {
  const { bold } = styleFor();
  const brief = explanations.length > 1;
  const states = Map.groupBy(explanations, ({ planned }) => planned.state);
  const counts = [...states].map(([state, all]) => `${all.length} ${state}`).join(", ");
  // Children of a matrix usually change together; identical explanations of several children are printed once.
  const groups = Map.groupBy(explanations, (one) => {
    const heading = `(${one.planned.stage.kind.name}): ${formatState(one.planned)}`;
    return [heading, ...explanationLines(one, brief)].join("\n  ");
  });
  return [
    ...brief ? [`${bold(name)}: ${countOf(explanations.length, "stage")}, ${counts}`] : [],
    ...[...groups].map(([text, members]) => `${bold(shortList(members.map(({ id }) => id), 4))} ${text}`),
  ];
}

function describeFollowers({ certain, mayRun, unchanged }: engine.Dependents): string[] {
  if (certain.length + mayRun.length + unchanged.length === 0) return [styleFor().dim("  no stage reads it")];
  const said: [string, readonly string[]][] = [
    ["certain to run next", certain],
    ["run only if their inputs change", mayRun],
    ["stay as they are", unchanged],
  ];
  return said.filter(([, ids]) => ids.length > 0).map(([what, ids]) => `  ${what}: ${shortList(ids)}`);
}

function describeCosts(costs: readonly (readonly [string, engine.Forecast])[], total: string): string[] {
  if (costs.length === 0) return [];
  const rows = costs.slice(0, 12).map(([id, forecast]) => {
    const time = forecast.known ? `about ${formatDuration(forecast.durationMs)}` : "unknown";
    return [`    ${id}`, `${time} (${forecast.basis})`];
  });
  return [
    "  time",
    ...formatTable(rows),
    ...costs.length > 12 ? [styleFor().dim(`    … and ${costs.length - 12} more`)] : [],
    ...costs.length > 1 && total !== "" ? [`    together ${total}`] : [],
  ];
}

/** The number of similar blocks that are printed. */
const SHOWN = 8;

/**
 * Explains a stage's planned state, in lines without a heading.
 * @param brief true to leave out results, when several stages are explained
 */
export function explanationLines(explanation: engine.Explanation, brief: boolean): string[] {
  const { planned, causes, keep, result, last, lost, progress } = explanation;
  const { device, problem, state } = planned;
  const lines = causeLines(causes);
  if (keep !== undefined) lines.push(`${describeKeep(keep)}; \`keep\` with --undo takes this back`);
  else if (state === "cached") lines.push("nothing it depends on has changed");
  if (!brief) {
    if (result !== undefined) lines.push(...resultLines("served by", result));
    if (last !== undefined) lines.push(...resultLines("compared with", last));
    if (lost !== undefined) lines.push(`its last result, ${short(lost)}, is no longer in the store`);
    if (progress !== undefined) lines.push(...progressLines(explanation, progress));
  }
  if (device !== undefined) lines.push(`would compute on ${formatDevice(device)}`);
  if (problem !== undefined) lines.push(`${styleFor().error("cannot run")}: ${problem.message}`, `fix: ${problem.fix}`);
  return lines;
}

/** Returns what changed: for each change its origin, and indented below it the changes upstream that caused it. */
export function causeLines(causes: readonly engine.Cause[]): string[] {
  const waits = causes.filter(({ reason }) => reason.code === "upstream").flatMap(({ upstream = [] }) => upstream);
  const others = causes.filter(({ reason }) => reason.code !== "upstream");
  return [...firstBlocks(others.map(causeBlock)), ...upstreamLines(waits, "waits for ")];
}

function causeBlock(cause: engine.Cause): string[] {
  const { reason, origin, upstream = [] } = cause;
  const from = origin === undefined ? [] : [styleFor().dim(`from ${origin.join(" <- ")}`)];
  const below = [...detailsOf(cause), ...from, ...upstreamLines(upstream, "")];
  if (reason.code === "new") return ["it is new: it has no earlier result to compare with"];
  return [`because of ${formatReason(reason, false)}`, ...below.map(indent)];
}

/**
 * Describes upstream stages; stages with the same description are grouped, as children of a matrix usually have the
 * same.
 */
function upstreamLines(stages: readonly engine.Upstream[], prefix: string): string[] {
  const groups = Map.groupBy(stages, ({ state, note, causes }) => {
    const said = note === undefined ? "" : `: ${note}`;
    return [`(${state})${said}`, ...causeLines(causes).map(indent)].join("\n");
  });
  const blocks = [...groups].map(([text, members]) =>
    `${prefix}${styleFor().bold(shortList(members.map(({ stage }) => stage)))} ${text}`.split("\n")
  );
  return firstBlocks(blocks);
}

function detailsOf({ reason, before, after, modules }: engine.Cause): string[] {
  if (reason.code === "external") return [`was ${formatExternal(before)}`, `now ${formatExternal(after)}`];
  if (reason.code !== "code" || !onlyUserCodeDiffers(reason)) return [];
  if (modules === undefined) return ["unknown which ones: there is no record of the run that made the last result"];
  return Object.entries(modules).filter(([, places]) => places.length > 0).map(([what, places]) =>
    `${what}: ${shortList(places)}`
  );
}

function formatExternal(facts: engine.ExternalFacts | undefined): string {
  if (facts === undefined) return "nothing";
  const size = facts.sizeBytes === undefined ? "size not known" : formatBytes(facts.sizeBytes);
  const digest = /^[0-9a-f]{64}$/.test(facts.digest) ? short(facts.digest) : facts.digest;
  return `${digest}, ${size}${facts.path === undefined ? "" : `, ${facts.path}`}`;
}

function resultLines(how: string, result: engine.ResultFacts): string[] {
  const { resolvedKey, madeAt, runId, numerics, device, durationMs, host, pipeline, stage, extent } = result;
  const at = extent === null ? "" : `, at ${extent}`;
  const when = madeAt === undefined ? "" : `made ${formatTime(madeAt)}, `;
  const took = durationMs === undefined ? "" : ` in ${formatDuration(durationMs)}`;
  const whose = host === undefined ? ", of which this store has no record" : ` on host ${host} (${pipeline}/${stage})`;
  const lines = [`${how} result ${short(resolvedKey)}${at}`, `  ${when}by run ${runId}${whose}${took}`];
  if (numerics !== null) lines.push(`  computed on ${numerics}${device === undefined ? "" : ` (device ${device})`}`);
  return lines;
}

function progressLines({ planned }: engine.Explanation, { folder, states }: engine.SavedProgress): string[] {
  const { state, fromStep, stage } = planned;
  const goal = stage.extent === undefined ? "" : ` of ${stage.extent}`;
  const why = state === "extend" ? "a shorter run ended there" : "a run that has not finished saved it";
  const saved = states.map(({ step, sizeBytes, savedAt }) => {
    const when = savedAt === undefined ? "" : `, ${formatTime(savedAt.toISOString())}`;
    return `  saved: step ${step} (${formatBytes(sizeBytes)}${when})`;
  });
  return [`continues at step ${fromStep}${goal}: ${why}`, ...saved, `  in ${folder}`];
}

/** Formats a time: `2026-11-25 12:00:07 UTC, 3m 05s ago` */
function formatTime(iso: string): string {
  const text = `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
  const ageMs = Date.now() - Date.parse(iso);
  return Number.isNaN(ageMs) || ageMs < 0 ? text : `${text}, ${formatDuration(ageMs)} ago`;
}

const indent = (line: string) => `  ${line}`;

/** Returns the first blocks, and the number of those left out. */
function firstBlocks(blocks: readonly string[][]): string[] {
  const more = blocks.length > SHOWN ? [`… and ${blocks.length - SHOWN} more`] : [];
  return [...blocks.slice(0, SHOWN).flat(), ...more];
}

/** Returns a cause as plain data. The shape is documented in docs/explain.md. */
function causeToJson({ reason, upstream, ...details }: engine.Cause): Record<string, unknown> {
  const before = upstream?.map(({ causes, ...rest }) => ({ ...rest, causes: causes.map(causeToJson) }));
  return { ...reason, ...details, upstream: before };
}
