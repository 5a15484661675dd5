import { Command } from "@commander-js/extra-typings";
import type { RunRecord, Store } from "noiseline/engine";
import type { PastRun } from "noiseline/housekeeping";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { parseCount } from "../format/count.ts";
import { describeDifference } from "../format/difference.ts";
import { formatDuration } from "../format/duration.ts";
import { formatTable } from "../format/table.ts";
import { printJson, printLine } from "../io.ts";
import { loadForCommand, STORE_OPTION } from "../load.ts";
import { isPipelineFile, runFor, storeFor } from "../operands.ts";

const EXAMPLES = `
A run that ended without recording a result is shown as killed; run the pipeline again to continue it.
A run with nothing to do leaves no record.

Examples:
  deno task runs                           # of all pipelines of the store of this folder
  deno task runs pipelines/digits.yaml
  deno task runs 20261125T101502000-1a2b   # the stages of one run`;

/** `runs [FILE | ID]` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return new Command("runs").summary("List past runs and how they ended")
    .description(
      "List runs, newest first, or show the stages of one: how they ended, how long they took, on which device.",
    )
    .argument("[what]", "pipeline file, or id of a run")
    .option("-n, --limit <n>", "show at most this many (default: 20)", parseCount)
    .addOption(STORE_OPTION)
    .option("--json", "print runs as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (what, options) => {
      const json = options.json ?? false;
      const { describeRun, pastRuns } = await import("noiseline/housekeeping");
      if (what !== undefined && !isPipelineFile(what)) {
        const store = storeFor(options);
        const run = describeRun(store, runFor(store, what, json));
        if (json) printJson({ ...runJson(run), ...detailsJson(store, run.record) });
        else await printRun(store, run);
        return;
      }
      const loaded = what === undefined ? undefined : await loadForCommand(settings, { file: what, ...options });
      const store = loaded?.store ?? storeFor(options);
      const shown: PastRun[] = [];
      for (const run of pastRuns(store)) {
        if (loaded !== undefined && run.record.pipeline !== loaded.pipeline.name) continue;
        shown.push(run);
        if (shown.length === (options.limit ?? 20)) break;
      }
      if (json) printJson(shown.map(runJson));
      else if (shown.length === 0) printLine(`no runs in ${store.root}`);
      else for (const line of formatTable(shown.map(rowOf))) printLine(line);
    });
}

function rowOf({ record, state, durationMs, counts }: PastRun): string[] {
  const { runId, pipeline, startedAt, host, overrides } = record;
  const what = Object.entries(counts).map(([end, count]) => `${count} ${end}`).join(", ");
  const when = startedAt.slice(0, 19).replace("T", " ");
  const took = durationMs === undefined ? "-" : formatDuration(durationMs);
  return [runId, pipeline, state, when, took, what, host, overrides.join(" ")];
}

function runJson({ record, state, durationMs, counts }: PastRun): Record<string, unknown> {
  const { runId, pipeline, file, overrides, startedAt, endedAt, pid, host, versions } = record;
  return {
    runId,
    pipeline,
    file,
    status: state,
    startedAt,
    endedAt,
    durationMs,
    counts,
    overrides,
    host,
    pid,
    versions,
  };
}

function detailsJson(store: Store, record: RunRecord): Record<string, unknown> {
  return {
    stages: record.stages,
    results: store.runs.used(record.runId).results,
    differences: differencesOf(store, record),
  };
}

/** Keys that gave other bytes in this run than before. */
function differencesOf(store: Store, { runId }: RunRecord) {
  return store.differences.all().filter(({ second }) => second.runId === runId);
}

async function printRun(store: Store, { record, state, durationMs }: PastRun): Promise<void> {
  const { endsOf } = await import("noiseline/housekeeping");
  const { runId, pipeline, file, startedAt, host, pid, overrides, versions } = record;
  printLine(`${runId} ${pipeline}: ${state}`);
  printLine(`  ${file}${overrides.length === 0 ? "" : ` ${overrides.join(" ")}`}`);
  const took = durationMs === undefined ? "" : `, ${formatDuration(durationMs)}`;
  printLine(`  started ${startedAt}${took}, pid ${pid} on ${host}`);
  printLine(`  ${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ")}`);
  const ends = endsOf(store, record);
  const used = store.runs.used(runId).results;
  const ids = [...new Set([...Object.keys(ends), ...Object.keys(used)])];
  const rows = ids.map((id) => {
    const stage = record.stages[id];
    const rates = Object.entries(stage?.perSecond ?? {}).map(([unit, rate]) => `${rate} ${unit}/s`).join(", ");
    return [
      `  ${id}`,
      // Its result was there when the run began; a run that was cut short may not have come to showing it.
      ends[id] ?? (state === "done" ? "cached" : "found"),
      stage === undefined ? "" : formatDuration(stage.durationMs),
      typeof stage?.fromStep === "number" ? `from step ${stage.fromStep}` : "",
      used[id]?.slice(0, 12) ?? "",
      stage?.device?.name ?? "",
      stage?.numerics ?? "",
      rates,
    ];
  });
  for (const line of formatTable(rows)) printLine(line);
  for (const [id, { message }] of Object.entries(record.stages)) {
    if (message !== null) printLine(`  ${id}: ${message.split("\n")[0]}`);
  }
  for (const one of differencesOf(store, record)) for (const line of describeDifference(one)) printLine(line);
}
