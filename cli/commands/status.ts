import { join } from "node:path";
import { findEarlier, findRuns, type Runs, withoutShards } from "noiseline/core";
import { answering, type AnyCommand, type CliSettings, pipelineCommand } from "../command.ts";
import { formatLive, formatState, plannedToJson } from "../format/plan.ts";
import { formatDuration } from "../format/units.ts";
import { formatTable, styleFor } from "../io.ts";
import { loadForCommand, makePlanner, openForCommand, planNothingFor } from "../open.ts";
import { phraseEarlier } from "../reporters.ts";

const EXAMPLES = `
  deno task status pipelines/digits.yaml
  deno task status pipelines/digits.yaml --json`;

/** `status FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("status", EXAMPLES).action(answering(async (file, options) => {
    const given = { file, ...options };
    const opened = openForCommand(settings, given);
    const { store } = opened;
    const { pipeline, stages } = await planNothingFor(opened, given) ??
      await makePlanner(await loadForCommand(settings, given, opened)).plan();
    const runs = findRuns(store, pipeline.name);
    const earlier = findEarlier({ pipeline, stages }, store);
    const rows = withoutShards(stages).flatMap(([id, planned]) => {
      const ran = runs.last?.stages[id];
      const now = [id, ...planned.stage.parts ?? []].flatMap((one) => runs.stages.get(one) ?? []);
      if (now.length > 0) return now.map((live) => [live.id, "running", formatLive(live)]);
      // Bringing back what is there takes no work; a time beside it would be read as a forecast.
      const isTold = ran?.state === "ran" && planned.state !== "restore";
      return [[id, formatState(planned, stages), isTold ? formatDuration(ran.durationMs) : ""]];
    });
    const running = runs.running.map((run) => {
      const now = stagesOf(runs, run.runId).join(", ");
      const what = now === "" ? "" : ` (${now})`;
      return `${styleFor().accent("running")}: pid ${run.pid} on ${run.host} since ${run.startedAt}${what}`;
    });
    return {
      data: {
        pipeline: pipeline.name,
        store: store.root,
        stages: withoutShards(stages).map(([id, planned]) => plannedToJson(id, planned, { live: runs.stages.get(id) })),
        running: runs.running.map((run) => ({ ...run, now: stagesOf(runs, run.runId) })),
        last: runs.last,
        earlier,
      },
      lines: [
        ...formatTable(rows),
        ...running,
        ...earlier.length > 0 ? [phraseEarlier(earlier, join(store.paths.outputs, pipeline.name))] : [],
        ...runs.last === undefined ? [] : [`last run: ${runs.last.runId} ${runs.last.status}`],
      ],
    };
  }));
}

function stagesOf({ stages }: Runs, runId: string): string[] {
  return [...stages.values()].filter(({ run }) => run.runId === runId).map(({ id }) => id);
}
