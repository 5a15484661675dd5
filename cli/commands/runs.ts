import type { Store } from "noiseline/engine";
import type { PastRun } from "noiseline/housekeeping";
import { type Answer, answering, type AnyCommand, type CliSettings, storeCommand } from "../command.ts";
import { describeDifference } from "../format/plan.ts";
import { formatDuration, parseCount } from "../format/units.ts";
import { formatTable } from "../io.ts";
import { loadForCommand, namesPipeline, openStoreFor, runFor } from "../open.ts";

const MORE = `

A run that ended without recording a result is shown as killed; run the pipeline again to continue it.
A run with nothing to do leaves no record.`;

const EXAMPLES = `
  deno task runs                           # of all pipelines of the store of this folder
  deno task runs pipelines/digits.yaml
  deno task runs 20261125T101502000-1a2b   # the stages of one run`;

/** `runs [FILE | ID]` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return storeCommand("runs", EXAMPLES, MORE)
    .argument("[what]", "pipeline file, or id of a run")
    .option("-n, --limit <n>", "show at most this many (default: 20)", parseCount)
    .action(answering(async (what, options) => {
      if (what !== undefined && !namesPipeline(what)) return await describe(openStoreFor(options), what);
      const { pastRuns } = await import("noiseline/housekeeping");
      const loaded = what === undefined ? undefined : await loadForCommand(settings, { file: what, ...options });
      const store = loaded?.store ?? openStoreFor(options);
      const shown = pastRuns(store).filter(({ record }) =>
        record.pipeline === (loaded?.pipeline.name ?? record.pipeline)
      )
        .take(options.limit ?? 20).toArray();
      return {
        data: shown.map(toJson),
        lines: shown.length === 0 ? [`no runs in ${store.root}`] : formatTable(shown.map(rowOf)),
      };
    }));
}

function rowOf({ record, state, durationMs, counts }: PastRun): string[] {
  const { runId, pipeline, startedAt, host, overrides } = record;
  const what = Object.entries(counts).map(([end, count]) => `${count} ${end}`).join(", ");
  const when = startedAt.slice(0, 19).replace("T", " ");
  const took = durationMs === undefined ? "-" : formatDuration(durationMs);
  return [runId, pipeline, state, when, took, what, host, overrides.join(" ")];
}

function toJson({ record, state, ...facts }: PastRun): Record<string, unknown> {
  const { format: _, stages: _stages, ...rest } = record;
  return { ...rest, ...facts, status: state };
}

async function describe(store: Store, id: string): Promise<Answer> {
  const { describeRun, endsOf } = await import("noiseline/housekeeping");
  const run = describeRun(store, runFor(store, id));
  const { record, state, durationMs } = run;
  const { runId, pipeline, file, startedAt, host, pid, overrides, versions, stages } = record;
  const { results } = store.runs.used(runId);
  // Keys that gave other bytes in this run than before.
  const differences = store.differences.all().filter(({ second }) => second.runId === runId);
  const ends = endsOf(store, record);
  const ids = [...new Set([...Object.keys(ends), ...Object.keys(results)])];
  const rows = ids.map((id) => {
    const stage = stages[id];
    const rates = Object.entries(stage?.perSecond ?? {}).map(([unit, rate]) => `${rate} ${unit}/s`).join(", ");
    return [
      `  ${id}`,
      // Its result was there when the run began; a run that was cut short may not have come to showing it.
      ends[id] ?? (state === "done" ? "cached" : "found"),
      stage === undefined ? "" : formatDuration(stage.durationMs),
      typeof stage?.fromStep === "number" ? `from step ${stage.fromStep}` : "",
      results[id]?.slice(0, 12) ?? "",
      stage?.device?.name ?? "",
      stage?.numerics ?? "",
      rates,
    ];
  });
  const took = durationMs === undefined ? "" : `, ${formatDuration(durationMs)}`;
  return {
    data: { ...toJson(run), stages, results, differences },
    lines: [
      `${runId} ${pipeline}: ${state}`,
      `  ${file}${overrides.length === 0 ? "" : ` ${overrides.join(" ")}`}`,
      `  started ${startedAt}${took}, pid ${pid} on ${host}`,
      `  ${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ")}`,
      ...formatTable(rows),
      ...Object.entries(stages).filter(([, { message }]) => message !== null)
        .map(([id, { message }]) => `  ${id}: ${message!.split("\n")[0]}`),
      ...differences.flatMap(describeDifference),
    ],
  };
}
