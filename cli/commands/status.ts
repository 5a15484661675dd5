import { join } from "node:path";
import type { Cluster, SubmittedStage } from "noiseline/cluster";
import { findStaleOutputs, importLate, type Plan, RunReader, selectStages } from "noiseline/core";
import { type AnyCommand, type CliSettings, ON, pipelineCommand, printingAnswer } from "../command.ts";
import { formatLive, formatState, plannedToJson } from "../format/plan.ts";
import { formatDuration } from "../format/units.ts";
import { formatTable, refuseWith, styleFor } from "../io.ts";
import { clusterFor, planFor } from "../open.ts";
import { phraseStaleOutputs } from "../reporters.ts";

const EXAMPLES = `
  deno task status pipelines/digits.yaml
  deno task status pipelines/digits.yaml train sample
  deno task status pipelines/digits.yaml --on lab   # with what the cluster's queue has
  deno task status pipelines/digits.yaml --json`;

/** `status FILE [STAGE…]` */
export function makeCommand(settings: CliSettings): AnyCommand {
  const command = pipelineCommand("status", EXAMPLES).argument("[stages...]", "show only these stages").addOption(ON);
  return command.action(printingAnswer(async (file, names, options) => {
    const { on } = options;
    // Without a cluster, the shared cache is ignored: this command shows the state of this machine's store.
    const { plan, store } = await planFor(settings, { file, ...options, ...on === undefined && { cacheMode: "off" } });
    const { pipeline, stages, actions } = plan;
    const named = selectStages(pipeline, names);
    if (named.problems.length > 0) refuseWith(named.problems);
    const shown = [...stages].filter(([id]) => names.length === 0 || named.stages.includes(id));
    const away = on === undefined
      ? undefined
      : await statesOnCluster(await clusterFor(settings, on, pipeline.folder), plan);
    const runs = new RunReader(store).find(pipeline.name);
    const earlier = findStaleOutputs({ pipeline, stages }, store);
    const rows = shown.flatMap(([id, planned]) => {
      const ran = runs.last?.stages[id];
      const now = [id, ...planned.joins].flatMap((one) => runs.stages.get(one) ?? []);
      if (now.length > 0) return now.map((live) => [live.id, "running", formatLive(live)]);
      const there = [id, ...planned.joins].flatMap((one) => {
        const { state, note } = away?.stages.get(one) ?? {};
        return state !== undefined && (one === id || state === "running" || state === "failed")
          ? [[one, state, note!]]
          : [];
      });
      if (there.length > 0) return there;
      if (on !== undefined && planned.state === "restore") return [[id, "done", "in the shared cache"]];
      // Restoring an existing result takes no work; a time beside it would be read as a forecast.
      const isTold = ran?.state === "ran" && planned.state !== "restore";
      return [[id, formatState(planned, actions), isTold ? formatDuration(ran.durationMs) : ""]];
    });
    const live = [...runs.stages.values()];
    const running = runs.running.map((run) => {
      return { ...run, now: live.filter((one) => one.run.runId === run.runId).map(({ id }) => id) };
    });
    const phrases = running.map(({ now, pid, host, startedAt }) => {
      const what = now.length === 0 ? "" : ` (${now.join(", ")})`;
      return `${styleFor().accent("running")}: pid ${pid} on ${host} since ${startedAt}${what}`;
    });
    return {
      data: {
        pipeline: pipeline.name,
        store: store.root,
        stages: shown.map(([id, planned]) => ({
          ...plannedToJson(id, planned, { live: runs.stages.get(id) ?? away?.stages.get(id)?.live }),
          ...away && { job: away.stages.get(id)?.data },
        })),
        running,
        last: runs.last,
        killed: runs.killed,
        earlier,
        ...away && { silent: away.queueError },
      },
      lines: [
        ...formatTable(rows),
        ...phrases,
        ...away?.notices ?? [],
        ...earlier.length > 0 ? [phraseStaleOutputs(earlier, join(store.paths.outputs, pipeline.name))] : [],
        ...runs.killed === undefined
          ? []
          : [`run ${runs.killed.runId} was killed; run again to go on from what it saved`],
        ...runs.last === undefined ? [] : [`last run: ${runs.last.runId} ${runs.last.status}`],
      ],
    };
  }));
}

/** Returns how the stages without a result stand on a cluster, by id. */
async function statesOnCluster(cluster: Cluster, { pipeline, stages }: Plan) {
  const [{ describeSubmitted, inspectCluster }, { liveOf }] = await Promise.all([
    importLate<typeof import("../clusters.ts")>(import.meta.resolve("../clusters.ts")),
    importLate<typeof import("noiseline/cluster")>("noiseline/cluster"),
  ]);
  const glance = await inspectCluster(cluster, pipeline.name);
  const open = [...stages].filter(([, { state }]) => state !== "cached" && state !== "restore");
  const wanted = new Set(open.map(([, { recipeKey }]) => recipeKey));
  const found = new Map<string, SubmittedStage>();
  for (const one of wanted.size === 0 ? [] : glance.stages()) {
    if (wanted.has(one.recipeKey) && !found.has(one.recipeKey)) found.set(one.recipeKey, one);
    if (found.size === wanted.size) break;
  }
  const described = open.filter(([, { recipeKey }]) => found.has(recipeKey)).map(([id, { recipeKey }]) => {
    const one = found.get(recipeKey)!;
    const live = liveOf(one);
    const [state, said] = describeSubmitted(one, glance.queueError);
    const note = live === undefined ? said : formatLive(live, said);
    const data = { ...one.job, state, end: one.end, submission: one.submission.head.id };
    return [id, { state, note, live, data }] as const;
  });
  return { ...glance, stages: new Map(described) };
}
