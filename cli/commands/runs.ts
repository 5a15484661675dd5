import * as clusters from "noiseline/cluster";
import * as engine from "noiseline/engine";
import { describeSubmitted, inspectCluster } from "../clusters.ts";
import { type Answer, type AnyCommand, type CliSettings, ON, printingAnswer, storeCommand } from "../command.ts";
import { describeDifference } from "../format/plan.ts";
import { formatDuration, parseCount } from "../format/units.ts";
import { formatTable, refuse } from "../io.ts";
import { clusterFor, loadForCommand, namesPipeline, openStoreFor, runFor } from "../open.ts";

const MORE = `

A run that ended without recording a result is shown as killed; run the pipeline again to continue it.
A run with nothing to do leaves no record.`;

const EXAMPLES = `
  deno task runs                           # of all pipelines of the store of this folder
  deno task runs pipelines/digits.yaml
  deno task runs 20261125T101502000-1a2b   # the stages of one run
  deno task runs --on lab                  # what was submitted to a cluster, whoever did`;

/** `runs [FILE | ID]` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return storeCommand("runs", EXAMPLES, MORE)
    .argument("[what]", "pipeline file, or id of a run")
    .option("-n, --limit <n>", "show at most this many (default: 20)", parseCount)
    .addOption(ON)
    .action(printingAnswer(async (what, options) => {
      if (options.on !== undefined) return await answerOn(settings, options.on, what, options);
      if (what !== undefined && !namesPipeline(what)) return describe(openStoreFor(options), what);
      const loaded = what === undefined ? undefined : await loadForCommand(settings, { file: what, ...options });
      const store = loaded?.store ?? openStoreFor(options);
      const known = new engine.RunReader(store).look(loaded?.pipeline.name).take(options.limit ?? 20);
      const shown = known.map(summarizeRun).toArray();
      return {
        data: shown.map(toJson),
        lines: shown.length === 0 ? [`no runs in ${store.root}`] : formatTable(shown.map(rowOf)),
      };
    }));
}

/** Lists submissions to a cluster: all of them, those of one pipeline, or the stages of one submission. */
async function answerOn(
  settings: CliSettings,
  on: string,
  what: string | undefined,
  options: { readonly store?: string; readonly limit?: number },
): Promise<Answer> {
  const { pipeline } = what !== undefined && namesPipeline(what)
    ? await loadForCommand(settings, { file: what, ...options })
    : {};
  const cluster = await clusterFor(settings, on, pipeline?.folder ?? Deno.cwd());
  const { jobs, queueError, notices, submissions } = await inspectCluster(cluster, pipeline?.name);
  if (what !== undefined && pipeline === undefined) {
    const found = submissions().find(({ head }) => head.id === what);
    if (found !== undefined) return { ...describeSubmission(found, clusters.lookAt(found, jobs), queueError), notices };
    refuse(`there is no submission "${what}" in ${cluster.settings.cache}`, `see \`deno task runs --on ${on}\``);
  }
  const shown = submissions().take(options.limit ?? 20).map((one) => {
    const { id, pipeline, user, cluster, host, at } = one.head;
    const states = Map.groupBy(clusters.lookAt(one, jobs), (stage) => describeSubmitted(stage, queueError)[0]);
    const counts = Array.from(states, ([state, all]) => [all.length, state]);
    return { id, pipeline: pipeline.name, cluster, at, user, host, counts };
  }).toArray();
  const rows = shown.map(({ counts, ...head }) => {
    return [...Object.values(head), counts.map((one) => one.join(" ")).join(", ")];
  });
  return {
    data: { silent: queueError, submissions: shown },
    lines: rows.length === 0 ? ["nothing was submitted"] : formatTable(rows),
    notices,
  };
}

/** Describes the stages of a submission, each with its earlier attempts. */
function describeSubmission(
  submission: clusters.OpenSubmission,
  all: readonly clusters.SubmittedStage[],
  queueError: string | undefined,
) {
  const { id, pipeline, at, user, host } = submission.head;
  const ended = clusters.listAttempts(submission);
  const stages = all.map((stage) => {
    const [state, note] = describeSubmitted(stage, queueError);
    const attempts = ended.get(stage.line)?.flatMap((one) => submission.readEnd(one) ?? []) ?? [];
    return { id: stage.id, state, note, job: stage.job, attempts };
  });
  const rows = stages.flatMap(({ id, state, note, attempts }, i) => [
    [`  ${id}`, state, note],
    ...attempts.filter(({ endedAt }) => endedAt !== all[i]!.end?.endedAt)
      .map((end) => ["    before", ...describeSubmitted({ end, job: undefined }, queueError)]),
  ]);
  const lines = [
    `${id} ${pipeline.name}`,
    `  ${pipeline.file}, submitted ${at} by ${user} on ${host}`,
    ...formatTable(rows),
  ];
  return { data: { id, pipeline, at, user, host, silent: queueError, stages }, lines };
}

type PastRun = ReturnType<typeof summarizeRun>;

/** Returns a run as the history shows it. */
function summarizeRun({ record, state, since, ends, parts }: engine.KnownRun) {
  const endedMs = record.endedAt === null ? Date.now() : Date.parse(record.endedAt);
  // Undefined for a killed run, because its end was not recorded. The clock may have been set back since the start.
  const durationMs = state === "killed" ? undefined : Math.max(0, endedMs - Date.parse(record.startedAt));
  // The outcome of each stage that ended. A stage that has not ended gets the run's state: running or killed.
  const words = new Map<string, string>([...ends].map(([id, end]) => [id, end.state]));
  for (const id of since.keys()) words.set(id, state);
  const counts: Record<string, number> = Object.create(null);
  for (const [id, word] of words) if (!parts.has(id)) counts[word] = (counts[word] ?? 0) + 1;
  return { record, state, durationMs, counts, words };
}

function rowOf({ record, state, durationMs, counts }: PastRun): string[] {
  const { runId, pipeline, startedAt, host, overrides } = record;
  const what = Object.entries(counts).map(([end, count]) => `${count} ${end}`).join(", ");
  const when = startedAt.slice(0, 19).replace("T", " ");
  const took = durationMs === undefined ? "-" : formatDuration(durationMs);
  return [runId, pipeline, state, when, took, what, host, overrides.join(" ")];
}

function toJson({ record, state, durationMs, counts }: PastRun): Record<string, unknown> {
  const { format: _, stages: _stages, ...rest } = record;
  return { ...rest, durationMs, counts, status: state };
}

function describe(store: engine.Store, id: string): Answer {
  const { runId: wanted } = runFor(store, id);
  const run = summarizeRun(new engine.RunReader(store).look().find(({ record }) => record.runId === wanted)!);
  const { record, state, durationMs, words } = run;
  const { runId, pipeline, file, startedAt, host, pid, overrides, versions, stages } = record;
  const { results } = store.runs.used(runId);
  // Keys whose result in this run has other bytes than before.
  const differences = store.differences.all().filter(({ second }) => second.runId === runId);
  const ids = [...new Set([...words.keys(), ...Object.keys(results)])];
  const rows = ids.map((id) => {
    const stage = stages[id];
    const rates = Object.entries(stage?.perSecond ?? {}).map(([unit, rate]) => `${rate} ${unit}/s`).join(", ");
    return [
      `  ${id}`,
      // The result already existed when the run began. A run that was cut short may have ended before it showed this
      // result.
      words.get(id) ?? (state === "done" ? "cached" : "found"),
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
